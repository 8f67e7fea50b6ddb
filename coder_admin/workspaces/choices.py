"""Transitions, reasons, stages and agent states (notifications-agents-provisioning.md sections 3 and 4.2)."""

from django.db import models


class Transition(models.TextChoices):
    START = "start"
    STOP = "stop"
    DELETE = "delete"


class BuildReason(models.TextChoices):
    INITIATOR = "initiator"
    AUTOSTART = "autostart"
    AUTOSTOP = "autostop"
    DORMANCY = "dormancy"
    AUTODELETE = "autodelete"
    FAILEDSTOP = "failedstop"
    DASHBOARD = "dashboard"
    CLI = "cli"
    SSH_CONNECTION = "ssh_connection"
    VSCODE_CONNECTION = "vscode_connection"
    JETBRAINS_CONNECTION = "jetbrains_connection"


class PrebuildStage(models.TextChoices):
    """What a build is to the pool (reference/prebuilds.md section 5.4)."""

    NONE = "none"
    CREATE = "create"
    CLAIM = "claim"


class AgentLifecycle(models.TextChoices):
    CREATED = "created"
    STARTING = "starting"
    START_TIMEOUT = "start_timeout"
    START_ERROR = "start_error"
    READY = "ready"
    SHUTTING_DOWN = "shutting_down"
    SHUTDOWN_TIMEOUT = "shutdown_timeout"
    SHUTDOWN_ERROR = "shutdown_error"
    OFF = "off"


class ScriptStage(models.TextChoices):
    """When a script ran."""

    START = "start"
    STOP = "stop"
    CRON = "cron"


class ScriptStatus(models.TextChoices):
    """How a run of a script ended."""

    OK = "ok"
    EXIT_FAILURE = "exit_failure"
    TIMED_OUT = "timed_out"
    PIPES_LEFT_OPEN = "pipes_left_open"


class AgentConnection(models.TextChoices):
    """Derived, never stored."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    TIMEOUT = "timeout"


class AutomaticUpdates(models.TextChoices):
    NEVER = "never"
    ALWAYS = "always"


class AppHealth(models.TextChoices):
    DISABLED = "disabled"
    INITIALIZING = "initializing"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


class SharingLevel(models.TextChoices):
    OWNER = "owner"
    AUTHENTICATED = "authenticated"
    ORGANIZATION = "organization"
    PUBLIC = "public"
