"""What happened to pools, one row each: the basis of hit rates, sizing, counters and throttling."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone

from rbac.model import RbacObject, ResourceType


class PrebuildEventKind(models.TextChoices):
    """A claim; a miss (a workspace was wanted and nothing was eligible); a claim that replaced resources;
    a preset that reached the failure limit; an administrator's reset of a preset's condition."""

    CLAIM = "claim"
    MISS = "miss"
    REPLACEMENT = "replacement"
    HARD_LIMITED = "hard_limited"
    RESET = "reset"


class PrebuildEvent(models.Model):
    """One fact about one pool. `preset_name` and the template outlive the preset's version."""

    rbac_type = ResourceType.TEMPLATE
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

    def rbac_object(self) -> RbacObject:
        """Read by whoever may read the organization's templates."""
        return RbacObject(ResourceType.TEMPLATE, id=str(self.template_id), org=str(self.organization_id))
