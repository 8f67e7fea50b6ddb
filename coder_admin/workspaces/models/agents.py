"""The agents that run in workspaces, with all that they report."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone

from coder_admin.provisioning.choices import LogLevel
from rbac.model import ResourceType

from ..choices import (
    AgentLifecycle,
    AppHealth,
    ScriptStage,
    ScriptStatus,
    SharingLevel,
)
from ..querysets import AgentQuerySet
from .builds import WorkspaceResource


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
