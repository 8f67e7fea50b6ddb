"""Templates, their versions, and what an import leaves behind.

Names and types follow reference/dynamic-parameters.md 1.1 and reference/prebuilds.md 1.2. Every version has
presets and parameters of its own; status and limits start clean on each version.
"""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from rbac.grants import AclTables
from rbac.model import RbacObject, ResourceType

from .choices import FormType, ParameterType, PrebuildStatus
from .managers import TemplateQuerySet, TemplateVersionQuerySet


class Template(models.Model):
    """A developer environment that workspaces are created from. Durations are milliseconds, as in the API."""

    rbac_type = ResourceType.TEMPLATE
    rbac_name = ("organization__name", "name")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(
        "organizations.Organization", on_delete=models.PROTECT, related_name="templates"
    )
    name = models.CharField(max_length=32)
    display_name = models.CharField(max_length=64, blank=True)
    description = models.CharField(max_length=128, blank=True)
    icon = models.CharField(max_length=256, blank=True)
    provisioner = models.CharField(max_length=16, default="embedded")
    active_version = models.ForeignKey(
        "TemplateVersion", null=True, blank=True, on_delete=models.PROTECT, related_name="active_for"
    )
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)
    deleted = models.BooleanField(default=False)
    deprecation_message = models.TextField(blank=True)
    default_ttl_ms = models.PositiveBigIntegerField(default=0)
    max_ttl_ms = models.PositiveBigIntegerField(default=0)  # the longest life of one start; 0 = no limit
    activity_bump_ms = models.PositiveBigIntegerField(default=3_600_000)
    allow_user_autostart = models.BooleanField(default=True)
    allow_user_autostop = models.BooleanField(default=True)
    allow_user_cancel_workspace_jobs = models.BooleanField(default=False)
    autostart_days_of_week = models.PositiveSmallIntegerField(default=127)  # bit 0 = Monday
    failure_ttl_ms = models.PositiveBigIntegerField(default=0)
    time_til_dormant_ms = models.PositiveBigIntegerField(default=0)
    time_til_dormant_autodelete_ms = models.PositiveBigIntegerField(default=0)
    require_active_version = models.BooleanField(default=False)
    use_classic_parameter_flow = models.BooleanField(default=False)

    objects = TemplateQuerySet.as_manager()

    class Meta:
        ordering = ("name",)
        permissions = (
            ("use_template", "Can create workspaces from the template"),
            ("admin_template", "Can do everything with the template"),
        )
        constraints = (
            models.UniqueConstraint(
                "organization", Lower("name"), condition=Q(deleted=False), name="template_name_unique"
            ),
            models.CheckConstraint(
                condition=Q(default_ttl_ms=0) | Q(default_ttl_ms__gte=60_000),
                name="template_default_ttl_minimum",
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def label(self) -> str:
        """The name people see."""
        return self.display_name or self.name

    @property
    def deprecated(self) -> bool:
        """Whether no new workspaces may be created from it."""
        return bool(self.deprecation_message)

    def rbac_object(self) -> RbacObject:
        """``template`` with its user and group access lists (rbac-and-organizations.md 1.2).

        The lists cost two queries when no role decides; `TEMPLATE_ACL.attach` reads those of many at once.
        """
        users, groups = TEMPLATE_ACL.lists(self)
        return RbacObject(
            ResourceType.TEMPLATE,
            id=str(self.id),
            org=str(self.organization_id),
            acl_users=users,
            acl_groups=groups,
        )


class TemplateUserPermission(UserObjectPermissionBase):
    """A user's grant on one template (guardian, direct foreign key)."""

    content_object = models.ForeignKey(Template, on_delete=models.CASCADE)

    class Meta(UserObjectPermissionBase.Meta):
        abstract = False


class TemplateGroupPermission(GroupObjectPermissionBase):
    """A group's grant on one template (guardian, direct foreign key)."""

    content_object = models.ForeignKey(Template, on_delete=models.CASCADE)

    class Meta(GroupObjectPermissionBase.Meta):
        abstract = False


TEMPLATE_ACL = AclTables(
    model=Template,
    user_table=TemplateUserPermission,
    group_table=TemplateGroupPermission,
    # API role "use" is the first, "admin" the second (rbac-and-organizations.md section 5).
    actions={"use_template": frozenset({"read", "use"}), "admin_template": frozenset({"*"})},
)


class TemplateVersion(models.Model):
    """One upload of a template's files. Without a template it is waiting for its first one to be created."""

    rbac_type = ResourceType.TEMPLATE

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    template = models.ForeignKey(
        Template, null=True, blank=True, on_delete=models.CASCADE, related_name="versions"
    )
    organization = models.ForeignKey("organizations.Organization", on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=64)
    message = models.CharField(max_length=1_048_576, blank=True)
    readme = models.TextField(blank=True)
    job = models.OneToOneField(
        "provisioning.ProvisionerJob", on_delete=models.PROTECT, related_name="template_version"
    )
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)
    archived = models.BooleanField(default=False)
    external_auth_providers = models.JSONField(default=list, blank=True)
    workspace_tags = models.JSONField(default=dict, blank=True)
    resources = models.JSONField(
        default=list, blank=True
    )  # what a start would create: [{type, name, agents}]
    diagnostics = models.JSONField(default=list, blank=True)  # warnings of the import, with file and line

    objects = TemplateVersionQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at",)
        constraints = (
            models.UniqueConstraint(
                "template", Lower("name"), condition=Q(template__isnull=False), name="version_name_unique"
            ),
        )
        indexes = (models.Index(fields=("template", "-created_at"), name="version_template"),)

    def __str__(self) -> str:
        return self.name

    def rbac_object(self) -> RbacObject:
        """That of its template; without one a bare ``template`` in the organization."""
        if self.template is not None:
            return self.template.rbac_object()
        return RbacObject(ResourceType.TEMPLATE, id=str(self.id), org=str(self.organization_id))


class TemplateVersionTerraformValues(models.Model):
    """What the import cached for later renders; ``cached_plan`` is ``{}`` when there is none."""

    template_version = models.OneToOneField(
        TemplateVersion, on_delete=models.CASCADE, related_name="terraform_values", primary_key=True
    )
    cached_plan = models.JSONField(default=dict)
    cached_module_files = models.ForeignKey(
        "files.File", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    provisionerd_version = models.CharField(max_length=16, blank=True, default="")
    updated_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"values of {self.template_version_id}"


class TemplateVersionVariable(models.Model):
    """A Terraform variable of the version and the value the template's author gave it."""

    rbac_type = ResourceType.TEMPLATE

    template_version = models.ForeignKey(TemplateVersion, on_delete=models.CASCADE, related_name="variables")
    name = models.CharField(max_length=256)
    description = models.TextField(blank=True)
    type = models.CharField(max_length=64, blank=True)
    value = models.TextField(blank=True)
    default_value = models.TextField(blank=True)
    required = models.BooleanField(default=False)
    sensitive = models.BooleanField(default=False)

    class Meta:
        ordering = ("name",)
        constraints = (
            models.UniqueConstraint(fields=("template_version", "name"), name="version_variable_unique"),
        )

    def __str__(self) -> str:
        return self.name


class TemplateVersionParameter(models.Model):
    """A parameter as the import found it: the static fallback and the list of ``rich-parameters``."""

    rbac_type = ResourceType.TEMPLATE

    template_version = models.ForeignKey(TemplateVersion, on_delete=models.CASCADE, related_name="parameters")
    name = models.CharField(max_length=256)
    display_name = models.CharField(max_length=256, blank=True)
    description = models.TextField(blank=True)
    type = models.CharField(max_length=16, choices=ParameterType, default=ParameterType.STRING)
    form_type = models.CharField(max_length=16, choices=FormType, blank=True)
    styling = models.JSONField(default=dict, blank=True)
    mutable = models.BooleanField(default=False)
    default_value = models.TextField(blank=True)
    icon = models.CharField(max_length=256, blank=True)
    options = models.JSONField(default=list, blank=True)
    validation_regex = models.TextField(blank=True)
    validation_min = models.BigIntegerField(null=True, blank=True)
    validation_max = models.BigIntegerField(null=True, blank=True)
    validation_error = models.TextField(blank=True)
    validation_monotonic = models.CharField(max_length=16, blank=True)
    required = models.BooleanField(default=False)
    ephemeral = models.BooleanField(default=False)
    display_order = models.IntegerField(default=0)

    class Meta:
        ordering = ("display_order", "name")
        constraints = (
            models.UniqueConstraint(fields=("template_version", "name"), name="version_parameter_unique"),
            models.CheckConstraint(
                condition=Q(type__in=ParameterType.values), name="version_parameter_type_known"
            ),
        )

    def __str__(self) -> str:
        return self.name


class TemplateVersionPreset(models.Model):
    """A named set of parameter values; with ``desired_instances`` it has a pool of prebuilt workspaces."""

    rbac_type = ResourceType.TEMPLATE

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    template_version = models.ForeignKey(TemplateVersion, on_delete=models.CASCADE, related_name="presets")
    name = models.CharField(max_length=256)
    created_at = models.DateTimeField(default=timezone.now)
    desired_instances = models.PositiveIntegerField(null=True, blank=True)
    invalidate_after_secs = models.PositiveIntegerField(null=True, blank=True, default=0)
    prebuild_status = models.CharField(max_length=24, choices=PrebuildStatus, default=PrebuildStatus.HEALTHY)
    scheduling_timezone = models.CharField(max_length=64, blank=True, default="")
    is_default = models.BooleanField(default=False)
    description = models.CharField(max_length=128, blank=True, default="")
    icon = models.CharField(max_length=256, blank=True, default="")
    last_invalidated_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("name",)
        constraints = (
            models.UniqueConstraint(fields=("template_version", "name"), name="preset_name_unique"),
            models.UniqueConstraint(
                fields=("template_version",), condition=Q(is_default=True), name="preset_one_default"
            ),
            models.CheckConstraint(
                condition=Q(prebuild_status__in=PrebuildStatus.values), name="preset_status_known"
            ),
        )
        indexes = (
            models.Index(
                fields=("template_version",),
                condition=Q(desired_instances__isnull=False),
                name="preset_with_pool",
            ),
        )

    def __str__(self) -> str:
        return self.name


class TemplateVersionPresetParameter(models.Model):
    """One value that a preset sets; the version need not have that parameter."""

    rbac_type = ResourceType.TEMPLATE

    template_version_preset = models.ForeignKey(
        TemplateVersionPreset, on_delete=models.CASCADE, related_name="parameters"
    )
    name = models.CharField(max_length=256)
    value = models.TextField()

    class Meta:
        ordering = ("name",)
        constraints = (
            models.UniqueConstraint(
                fields=("template_version_preset", "name"), name="preset_parameter_unique"
            ),
        )

    def __str__(self) -> str:
        return self.name


class TemplateVersionPresetPrebuildSchedule(models.Model):
    """A range of time (cron form) and the pool's size in it; ``position`` is the order in the template."""

    rbac_type = ResourceType.TEMPLATE

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    preset = models.ForeignKey(TemplateVersionPreset, on_delete=models.CASCADE, related_name="schedules")
    cron_expression = models.CharField(max_length=256)
    desired_instances = models.IntegerField()
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ("position", "id")

    def __str__(self) -> str:
        return f"{self.cron_expression} → {self.desired_instances}"
