"""Builds, what they were given and what they left existing, and dry runs."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from coder_admin.foundation.encryption import EncryptedBinaryField
from rbac.model import RbacObject, ResourceType

from ..choices import (
    BuildReason,
    PrebuildStage,
    Transition,
)
from ..querysets import BuildQuerySet, DryRunQuerySet
from .workspaces import Workspace


class WorkspaceBuild(models.Model):
    """One transition of a workspace. (workspace, build_number) is the last guard against two writers."""

    rbac_type = ResourceType.WORKSPACE

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="builds")
    template_version = models.ForeignKey(
        "catalog.TemplateVersion", on_delete=models.PROTECT, related_name="workspace_builds"
    )
    template_version_preset = models.ForeignKey(
        "catalog.TemplateVersionPreset",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="workspace_builds",
    )
    build_number = models.PositiveIntegerField()
    transition = models.CharField(max_length=8, choices=Transition)
    reason = models.CharField(max_length=24, choices=BuildReason, default=BuildReason.INITIATOR)
    prebuild_stage = models.CharField(max_length=8, choices=PrebuildStage, default=PrebuildStage.NONE)
    initiator = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    job = models.OneToOneField(
        "provisioning.ProvisionerJob", on_delete=models.PROTECT, related_name="workspace_build"
    )
    provisioner_state = EncryptedBinaryField(null=True, blank=True)
    deadline = models.DateTimeField(null=True, blank=True)
    max_deadline = models.DateTimeField(null=True, blank=True)
    daily_cost = models.PositiveIntegerField(default=0)
    # {resource address: [paths that forced its replacement]} of the plan (section 2 of the reference)
    resource_replacements = models.JSONField(default=dict, blank=True)

    objects = BuildQuerySet.as_manager()

    class Meta:
        ordering = ("-build_number",)
        constraints = (
            models.UniqueConstraint(fields=("workspace", "build_number"), name="build_number_unique"),
            models.CheckConstraint(
                condition=Q(transition__in=Transition.values), name="build_transition_known"
            ),
            models.CheckConstraint(condition=Q(reason__in=BuildReason.values), name="build_reason_known"),
            models.CheckConstraint(
                condition=Q(prebuild_stage__in=PrebuildStage.values), name="build_stage_known"
            ),
            models.CheckConstraint(condition=Q(build_number__gte=1), name="build_number_positive"),
        )
        indexes = (
            models.Index(fields=("template_version_preset", "-created_at"), name="build_preset"),
            models.Index(fields=("-created_at",), name="build_created"),
            models.Index(fields=("deadline",), condition=Q(deadline__isnull=False), name="build_deadline"),
        )

    def __str__(self) -> str:
        return f"{self.transition} #{self.build_number}"


class WorkspaceBuildParameter(models.Model):
    """A resolved value as the build used it."""

    rbac_type = ResourceType.WORKSPACE

    workspace_build = models.ForeignKey(WorkspaceBuild, on_delete=models.CASCADE, related_name="parameters")
    name = models.CharField(max_length=256)
    value = models.TextField()

    class Meta:
        ordering = ("name",)
        constraints = (
            models.UniqueConstraint(fields=("workspace_build", "name"), name="build_parameter_unique"),
        )

    def __str__(self) -> str:
        return self.name


class WorkspaceResource(models.Model):
    """A resource that a build left existing."""

    rbac_type = ResourceType.WORKSPACE

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    created_at = models.DateTimeField(default=timezone.now)
    workspace_build = models.ForeignKey(WorkspaceBuild, on_delete=models.CASCADE, related_name="resources")
    transition = models.CharField(max_length=8, choices=Transition)
    address = models.CharField(max_length=512)
    type = models.CharField(max_length=128)
    name = models.CharField(max_length=128)
    hide = models.BooleanField(default=False)
    icon = models.CharField(max_length=256, blank=True)
    daily_cost = models.PositiveIntegerField(default=0)
    instance_type = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering = ("address",)

    def __str__(self) -> str:
        return self.address


class WorkspaceResourceMetadatum(models.Model):
    """A fact about a resource to show people (``coder_metadata``)."""

    resource = models.ForeignKey(WorkspaceResource, on_delete=models.CASCADE, related_name="metadata")
    key = models.CharField(max_length=256)
    value = models.TextField(blank=True)
    sensitive = models.BooleanField(default=False)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ("position",)

    def __str__(self) -> str:
        return self.key


class DryRun(models.Model):
    """The plan of a template version with somebody's values, of which nothing is made. ``resources``: what
    the plan would leave, in the API's form; empty until it has succeeded."""

    rbac_type = ResourceType.WORKSPACE

    job = models.OneToOneField(
        "provisioning.ProvisionerJob", on_delete=models.CASCADE, primary_key=True, related_name="dry_run"
    )
    template_version = models.ForeignKey(
        "catalog.TemplateVersion", on_delete=models.CASCADE, related_name="dry_runs"
    )
    resources = models.JSONField(default=list, blank=True)

    objects = DryRunQuerySet.as_manager()

    def __str__(self) -> str:
        return f"dry run of {self.template_version_id}"

    def rbac_object(self) -> RbacObject:
        """That of a workspace of its initiator, which never comes to be."""
        return RbacObject(
            ResourceType.WORKSPACE,
            id=str(self.job_id),
            org=str(self.job.organization_id),
            owner=str(self.job.initiator_id),
        )
