"""Workspaces, their builds, and the agents that run in them.

A workspace is a prebuild exactly while the prebuilds user owns it; there is no flag
(reference/prebuilds.md 1.1).
"""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from coder_admin.foundation.encryption import EncryptedBinaryField
from coder_admin.organizations.models import PREBUILDS_USER_ID
from coder_admin.provisioning.choices import LogLevel
from rbac.grants import AclTables
from rbac.model import LEGAL_ACTIONS, Action, RbacObject, ResourceType

from .choices import (
    AgentLifecycle,
    AppHealth,
    AutomaticUpdates,
    BuildReason,
    PrebuildStage,
    ScriptStage,
    ScriptStatus,
    SharingLevel,
    Transition,
)
from .querysets import AgentQuerySet, BuildQuerySet, DryRunQuerySet, WorkspaceQuerySet


class Workspace(models.Model):
    """A developer's environment. Durations are milliseconds, as in the API."""

    rbac_type = ResourceType.WORKSPACE
    rbac_name = ("owner__username", "name")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="workspaces")
    organization = models.ForeignKey(
        "organizations.Organization", on_delete=models.PROTECT, related_name="workspaces"
    )
    template = models.ForeignKey("catalog.Template", on_delete=models.PROTECT, related_name="workspaces")
    name = models.CharField(max_length=32)
    deleted = models.BooleanField(default=False)
    autostart_schedule = models.CharField(max_length=128, blank=True, default="")
    next_start_at = models.DateTimeField(null=True, blank=True)
    ttl_ms = models.PositiveBigIntegerField(null=True, blank=True)
    last_used_at = models.DateTimeField(default=timezone.now)
    dormant_at = models.DateTimeField(null=True, blank=True)
    deleting_at = models.DateTimeField(null=True, blank=True)
    automatic_updates = models.CharField(
        max_length=8, choices=AutomaticUpdates, default=AutomaticUpdates.NEVER
    )
    favorite = models.BooleanField(default=False)  # the owner's mark
    # Maintained in the transaction that inserts a build, so that nothing ever searches for it.
    latest_build = models.OneToOneField(
        "WorkspaceBuild", null=True, blank=True, on_delete=models.SET_NULL, related_name="latest_of"
    )

    objects = WorkspaceQuerySet.as_manager()

    class Meta:
        ordering = ("name",)
        permissions = (
            ("use_workspace", "Can look at, start, stop and connect to the workspace"),
            ("admin_workspace", "Can do everything with the workspace but delete it"),
        )
        constraints = (
            models.UniqueConstraint(
                "owner", Lower("name"), condition=Q(deleted=False), name="workspace_name_unique"
            ),
            models.CheckConstraint(
                condition=Q(automatic_updates__in=AutomaticUpdates.values), name="workspace_updates_known"
            ),
        )
        indexes = (
            # A claim walks the prebuilds of one template along it, oldest first, to the first good one.
            models.Index(
                fields=("owner", "template", "created_at", "id"),
                condition=Q(deleted=False),
                name="workspace_owner_live_by_age",
            ),
            models.Index(fields=("template",), condition=Q(deleted=False), name="workspace_template_live"),
            # The executor asks for these every minute; most workspaces have neither.
            models.Index(
                fields=("next_start_at",),
                condition=Q(deleted=False, next_start_at__isnull=False),
                name="workspace_next_start",
            ),
            models.Index(
                fields=("deleting_at",),
                condition=Q(deleted=False, deleting_at__isnull=False),
                name="workspace_deleting",
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def is_prebuild(self) -> bool:
        """Whether it waits in a pool: owned by the prebuilds user."""
        return self.owner_id == PREBUILDS_USER_ID

    def rbac_object(self) -> RbacObject:
        """``workspace`` with its access lists, or ``workspace_dormant`` while dormant, then without
        (rbac-and-organizations.md 1.2)."""
        id_, org, owner = str(self.id), str(self.organization_id), str(self.owner_id)
        if self.dormant_at:
            return RbacObject(ResourceType.WORKSPACE_DORMANT, id_, org, owner)
        users, groups = WORKSPACE_ACL.lists(self)
        return RbacObject(ResourceType.WORKSPACE, id_, org, owner, acl_users=users, acl_groups=groups)


class WorkspaceUserPermission(UserObjectPermissionBase):
    """A user with whom one workspace is shared (guardian, direct foreign key)."""

    content_object = models.ForeignKey(Workspace, on_delete=models.CASCADE)

    class Meta(UserObjectPermissionBase.Meta):
        abstract = False


class WorkspaceGroupPermission(GroupObjectPermissionBase):
    """A group with which one workspace is shared (guardian, direct foreign key)."""

    content_object = models.ForeignKey(Workspace, on_delete=models.CASCADE)

    class Meta(GroupObjectPermissionBase.Meta):
        abstract = False


WORKSPACE_ACL = AclTables(
    model=Workspace,
    user_table=WorkspaceUserPermission,
    group_table=WorkspaceGroupPermission,
    # The API roles "use" and "admin", as Coder's newest E2 releases have them. "admin" holds `create`, which
    # stands for changing the list, and no `delete`: nobody deletes what they could not make again.
    actions={
        "use_workspace": frozenset({"read", "start", "stop", "ssh", "application_connect"}),
        "admin_workspace": frozenset(
            str(action) for action in LEGAL_ACTIONS[ResourceType.WORKSPACE] - {Action.DELETE}
        ),
    },
)


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


class WorkspaceAgent(models.Model):
    """The program inside a workspace. Each build makes new rows; a claim keeps the living process's token."""

    rbac_type = ResourceType.WORKSPACE

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)
    resource = models.ForeignKey(WorkspaceResource, on_delete=models.CASCADE, related_name="agents")
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.CASCADE, related_name="children"
    )
    name = models.CharField(max_length=64)
    deleted = models.BooleanField(default=False)
    auth_token = models.UUIDField(db_index=True)
    architecture = models.CharField(max_length=16, blank=True)
    operating_system = models.CharField(max_length=16, blank=True)
    directory = models.CharField(max_length=1024, blank=True)
    expanded_directory = models.CharField(max_length=1024, blank=True)
    environment_variables = models.JSONField(default=dict, blank=True)
    version = models.CharField(max_length=32, blank=True)
    subsystems = models.JSONField(default=list, blank=True)
    connection_timeout_seconds = models.PositiveIntegerField(default=120)
    troubleshooting_url = models.CharField(max_length=512, blank=True)
    motd_file = models.CharField(max_length=512, blank=True)
    display_apps = models.JSONField(default=list, blank=True)
    display_order = models.IntegerField(default=0)
    first_connected_at = models.DateTimeField(null=True, blank=True)
    last_connected_at = models.DateTimeField(null=True, blank=True)
    disconnected_at = models.DateTimeField(null=True, blank=True)
    lifecycle_state = models.CharField(max_length=20, choices=AgentLifecycle, default=AgentLifecycle.CREATED)
    started_at = models.DateTimeField(null=True, blank=True)
    ready_at = models.DateTimeField(null=True, blank=True)
    logs_length = models.PositiveIntegerField(default=0)
    logs_overflowed = models.BooleanField(default=False)

    objects = AgentQuerySet.as_manager()

    class Meta:
        ordering = ("display_order", "name")
        constraints = (
            models.CheckConstraint(
                condition=Q(lifecycle_state__in=AgentLifecycle.values), name="agent_lifecycle_known"
            ),
        )

    def __str__(self) -> str:
        return self.name


class WorkspaceAgentLogSource(models.Model):
    """Where log lines of an agent come from: one of its scripts, or a program of the template."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    agent = models.ForeignKey(WorkspaceAgent, on_delete=models.CASCADE, related_name="log_sources")
    created_at = models.DateTimeField(default=timezone.now)
    display_name = models.CharField(max_length=127)
    icon = models.CharField(max_length=256, blank=True)
    # How far the log is stored, so that a batch that is sent again is not stored again.
    run_id = models.CharField(max_length=128, blank=True)
    next_sequence = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return self.display_name


class WorkspaceAgentScript(models.Model):
    """A script that the agent runs at start, at stop or by cron."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    agent = models.ForeignKey(WorkspaceAgent, on_delete=models.CASCADE, related_name="scripts")
    log_source = models.ForeignKey(WorkspaceAgentLogSource, on_delete=models.CASCADE, related_name="scripts")
    log_path = models.CharField(max_length=1024, blank=True)
    display_name = models.CharField(max_length=127)
    script = models.TextField()
    cron = models.CharField(max_length=128, blank=True)
    start_blocks_login = models.BooleanField(default=False)
    run_on_start = models.BooleanField(default=False)
    run_on_stop = models.BooleanField(default=False)
    timeout_seconds = models.PositiveIntegerField(default=0)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ("position",)

    def __str__(self) -> str:
        return self.display_name


class WorkspaceAgentScriptTiming(models.Model):
    """The last run of a script in a stage, as the agent measured it."""

    script = models.ForeignKey(WorkspaceAgentScript, on_delete=models.CASCADE, related_name="timings")
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField()
    exit_code = models.IntegerField()
    stage = models.CharField(max_length=8, choices=ScriptStage)
    status = models.CharField(max_length=20, choices=ScriptStatus)

    class Meta:
        ordering = ("started_at", "id")
        constraints = (models.UniqueConstraint(fields=("script", "stage"), name="script_timing_unique"),)

    def __str__(self) -> str:
        return f"{self.stage} {self.status}"


class WorkspaceAgentMetadatum(models.Model):
    """A fact that the agent measures again and again (a template's `metadata`), and its last value."""

    agent = models.ForeignKey(WorkspaceAgent, on_delete=models.CASCADE, related_name="metadata")
    key = models.CharField(max_length=128)
    display_name = models.CharField(max_length=256, blank=True)
    script = models.TextField(blank=True)
    interval = models.PositiveIntegerField(default=0)  # seconds
    timeout = models.PositiveIntegerField(default=0)  # seconds
    display_order = models.IntegerField(default=0)
    value = models.CharField(max_length=2048, blank=True)
    error = models.CharField(max_length=2048, blank=True)
    collected_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("display_order", "key")
        constraints = (models.UniqueConstraint(fields=("agent", "key"), name="agent_metadatum_unique"),)

    def __str__(self) -> str:
        return self.display_name or self.key


class WorkspaceAgentStats(models.Model):
    """The last report of an agent's connections and sessions (reference 3.2)."""

    agent = models.OneToOneField(
        WorkspaceAgent, on_delete=models.CASCADE, related_name="stats", primary_key=True
    )
    reported_at = models.DateTimeField()
    connections_by_proto = models.JSONField(default=dict, blank=True)
    connection_count = models.PositiveBigIntegerField(default=0)
    connection_median_latency_ms = models.FloatField(default=0)
    rx_packets = models.PositiveBigIntegerField(default=0)
    rx_bytes = models.PositiveBigIntegerField(default=0)
    tx_packets = models.PositiveBigIntegerField(default=0)
    tx_bytes = models.PositiveBigIntegerField(default=0)
    session_count_vscode = models.PositiveBigIntegerField(default=0)
    session_count_jetbrains = models.PositiveBigIntegerField(default=0)
    session_count_reconnecting_pty = models.PositiveBigIntegerField(default=0)
    session_count_ssh = models.PositiveBigIntegerField(default=0)
    listening_ports = models.JSONField(default=list, blank=True)  # [{port, network, process_name}]

    def __str__(self) -> str:
        return f"{self.connection_count} connections"


class WorkspaceAgentLog(models.Model):
    """A line an agent sent; the id is its sequence number."""

    id = models.BigAutoField(primary_key=True)
    agent = models.ForeignKey(WorkspaceAgent, on_delete=models.CASCADE, related_name="logs")
    log_source = models.ForeignKey(WorkspaceAgentLogSource, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    level = models.CharField(max_length=8, choices=LogLevel, default=LogLevel.INFO)
    output = models.TextField()

    class Meta:
        ordering = ("id",)
        indexes = (models.Index(fields=("agent", "id"), name="agent_log_sequence"),)

    def __str__(self) -> str:
        return self.output[:80]


class WorkspaceApp(models.Model):
    """A way into the workspace: a link or a command (``coder_app``)."""

    rbac_type = ResourceType.WORKSPACE

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    agent = models.ForeignKey(WorkspaceAgent, on_delete=models.CASCADE, related_name="apps")
    slug = models.CharField(max_length=64)
    display_name = models.CharField(max_length=64, blank=True)
    icon = models.CharField(max_length=256, blank=True)
    command = models.TextField(blank=True)
    url = models.TextField(blank=True)
    external = models.BooleanField(default=False)
    subdomain = models.BooleanField(default=False)
    sharing_level = models.CharField(max_length=16, choices=SharingLevel, default=SharingLevel.OWNER)
    health = models.CharField(max_length=16, choices=AppHealth, default=AppHealth.DISABLED)
    healthcheck_url = models.TextField(blank=True)
    healthcheck_interval = models.PositiveIntegerField(default=0)
    healthcheck_threshold = models.PositiveIntegerField(default=0)
    hidden = models.BooleanField(default=False)
    open_in = models.CharField(max_length=16, default="slim-window")
    display_group = models.CharField(max_length=64, blank=True)
    display_order = models.IntegerField(default=0)

    class Meta:
        ordering = ("display_order", "slug")
        constraints = (models.UniqueConstraint(fields=("agent", "slug"), name="agent_app_slug_unique"),)

    def __str__(self) -> str:
        return self.display_name or self.slug


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
