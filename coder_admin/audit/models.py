"""The audit trail: one append-only row per fact (reference/rbac-and-organizations.md section 6)."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from rbac.model import RbacObject, ResourceType


class AuditLog(models.Model):
    """Who did what to which resource, from where, with which result."""

    rbac_type = ResourceType.AUDIT_LOG

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    time = models.DateTimeField(default=timezone.now, db_index=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    username = models.CharField(max_length=64, blank=True)  # survives the user's deletion
    organization = models.ForeignKey(
        "organizations.Organization", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    ip = models.GenericIPAddressField(null=True, blank=True)
    user_agent = models.CharField(max_length=256, blank=True)
    request_id = models.UUIDField(default=uuid.uuid4, db_index=True)
    resource_type = models.CharField(max_length=64)
    resource_id = models.CharField(max_length=64, blank=True)
    resource_target = models.CharField(max_length=256, blank=True)
    resource_icon = models.CharField(max_length=256, blank=True)
    action = models.CharField(max_length=32)
    diff = models.JSONField(default=dict, blank=True)
    status_code = models.PositiveSmallIntegerField(default=200)
    additional_fields = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ("-time", "-id")
        indexes = (
            models.Index(fields=("resource_type", "resource_id", "-time"), name="audit_resource"),
            models.Index(fields=("organization", "-time"), name="audit_organization"),
            models.Index(fields=("user", "-time"), name="audit_user"),
        )

    def __str__(self) -> str:
        return f"{self.username or 'system'} {self.action} {self.resource_type} {self.resource_target}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert only: a stored row is never changed."""
        if not self._state.adding:
            raise TypeError("audit rows are append-only")
        super().save(*args, **kwargs)

    def rbac_object(self) -> RbacObject:
        """``audit_log``, in an organization when the entry has one."""
        return RbacObject(
            ResourceType.AUDIT_LOG,
            id=str(self.id),
            org=str(self.organization_id) if self.organization_id else "",
        )
