"""Uploaded archives, stored once per content and creator."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from rbac.model import RbacObject, ResourceType


class File(models.Model):
    """A tar archive; zip uploads are converted before hashing.

    Source: reference/notifications-agents-provisioning.md section 5.

    ``created_by`` is null for archives that the system makes itself (module files).
    """

    rbac_type = ResourceType.FILE

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    hash = models.CharField(max_length=64)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="files"
    )
    mimetype = models.CharField(max_length=64, default="application/x-tar")
    size = models.PositiveIntegerField()
    data = models.BinaryField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("hash", "created_by"), name="file_hash_unique"),
            models.UniqueConstraint(
                fields=("hash",), condition=Q(created_by__isnull=True), name="file_system_hash_unique"
            ),
        )

    def __str__(self) -> str:
        return f"{self.hash[:12]} ({self.size} bytes)"

    def rbac_object(self) -> RbacObject:
        """``file``, owned by its uploader, in no organization (section 1.2)."""
        return RbacObject(ResourceType.FILE, id=str(self.id), owner=str(self.created_by_id or ""))
