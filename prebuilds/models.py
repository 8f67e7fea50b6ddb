"""What happened to pools: claims, misses and replacements, one row each (hit rate, latency, counters)."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone


class PrebuildEventKind(models.TextChoices):
    CLAIM = "claim"
    MISS = "miss"
    REPLACEMENT = "replacement"


class PrebuildEvent(models.Model):
    """A claim, a miss (nothing was eligible) or a claim that replaced resources."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    created_at = models.DateTimeField(default=timezone.now)
    kind = models.CharField(max_length=16, choices=PrebuildEventKind)
    organization = models.ForeignKey("organizations.Organization", on_delete=models.CASCADE, related_name="+")
    template = models.ForeignKey("catalog.Template", on_delete=models.CASCADE, related_name="+")
    preset = models.ForeignKey(
        "catalog.TemplateVersionPreset", null=True, on_delete=models.SET_NULL, related_name="+"
    )
    preset_name = models.CharField(max_length=256)  # survives the version
    workspace = models.ForeignKey(
        "workspaces.Workspace", null=True, on_delete=models.SET_NULL, related_name="+"
    )
    details = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ("-created_at",)
        constraints = (
            models.CheckConstraint(
                condition=Q(kind__in=PrebuildEventKind.values), name="prebuild_event_kind_known"
            ),
        )
        indexes = (
            models.Index(fields=("template", "preset_name", "-created_at"), name="prebuild_event_preset"),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.preset_name}"
