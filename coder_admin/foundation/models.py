"""Rows that belong to the deployment as a whole: site settings and leases."""

from __future__ import annotations

import uuid

from django.db import models


class SiteConfig(models.Model):
    """One setting of the deployment: a key and its JSON text, compared byte for byte on writes."""

    key = models.CharField(max_length=128, primary_key=True)
    value = models.TextField()
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.key


class Lease(models.Model):
    """Who leads a periodic task until when; the row itself is the lock (databases without advisory locks)."""

    name = models.CharField(max_length=64, primary_key=True)
    holder = models.UUIDField(default=uuid.uuid4)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} until {self.expires_at:%H:%M:%S}"
