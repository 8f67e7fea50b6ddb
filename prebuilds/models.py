"""What happened to pools, one row each: the basis of hit rates, sizing, counters and throttling."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone

from rbac.model import RbacObject, ResourceType


class PrebuildEventKind(models.TextChoices):
    """A claim; a miss (a workspace was wanted and nothing was eligible); a claim that replaced resources;
    a preset that reached the failure limit, and left it by itself; one whose build request was refused as
    invalid; an administrator's reset of a preset's condition, and one prebuild that they began by hand."""

    CLAIM = "claim"
    MISS = "miss"
    REPLACEMENT = "replacement"
    HARD_LIMITED = "hard_limited"
    RECOVERED = "recovered"
    REFUSED = "refused"
    RESET = "reset"
    TRIAL = "trial"


class PrebuildEvent(models.Model):
    """One fact about one pool. `preset_name` and the template outlive the preset's version.

    `waited` of a claim or a miss: from the request to the end of the workspace's first own build; None while
    that build is under way, and when it failed.
    """

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
    waited = models.DurationField(null=True, blank=True)
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


class PoolSample(models.Model):
    """How one pool was from an instant on, until its next sample: the basis of its chart.

    Written when the counts change, and once a day. Known by template and preset name, as people know it, so
    that the line goes on when a version is promoted.
    """

    rbac_type = ResourceType.TEMPLATE
    at = models.DateTimeField()
    organization = models.ForeignKey("organizations.Organization", on_delete=models.CASCADE, related_name="+")
    template = models.ForeignKey("catalog.Template", on_delete=models.CASCADE, related_name="+")
    preset_name = models.CharField(max_length=256)
    desired = models.PositiveIntegerField()
    ready = models.PositiveIntegerField()
    unready = models.PositiveIntegerField()  # run, but their agents are not ready
    expired = models.PositiveIntegerField()
    starting = models.PositiveIntegerField()
    deleting = models.PositiveIntegerField()

    class Meta:
        ordering = ("at",)
        indexes = (
            models.Index(fields=("template", "preset_name", "at"), name="pool_sample_pool"),
            models.Index(fields=("at",), name="pool_sample_at"),
        )

    def __str__(self) -> str:
        return f"{self.preset_name} {self.at:%Y-%m-%d %H:%M}"

    def rbac_object(self) -> RbacObject:
        """Read by whoever may read the organization's templates."""
        return RbacObject(ResourceType.TEMPLATE, id=str(self.template_id), org=str(self.organization_id))
