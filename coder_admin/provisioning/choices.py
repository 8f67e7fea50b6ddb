"""Types, states and sources of provisioner jobs (notifications-agents-provisioning.md section 4.1)."""

from django.db import models


class JobType(models.TextChoices):
    TEMPLATE_VERSION_IMPORT = "template_version_import"
    TEMPLATE_VERSION_DRY_RUN = "template_version_dry_run"
    WORKSPACE_BUILD = "workspace_build"


class JobStatus(models.TextChoices):
    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    CANCELING = "canceling"
    CANCELED = "canceled"
    FAILED = "failed"


ACTIVE_STATUSES = (JobStatus.PENDING, JobStatus.RUNNING, JobStatus.CANCELING)


class JobPriority(models.IntegerChoices):
    """People first, then prebuilds."""

    HUMAN = 0
    PREBUILD = 1


class LogSource(models.TextChoices):
    PROVISIONER_DAEMON = "provisioner_daemon"
    PROVISIONER = "provisioner"


class LogLevel(models.TextChoices):
    TRACE = "trace"
    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"
