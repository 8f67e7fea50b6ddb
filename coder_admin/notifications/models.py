"""The outbox, the inbox and people's preferences (notifications-agents-provisioning.md section 1)."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from rbac.model import RbacObject, ResourceType


class Method(models.TextChoices):
    SMTP = "smtp"
    WEBHOOK = "webhook"
    INBOX = "inbox"


class MessageStatus(models.TextChoices):
    PENDING = "pending"
    LEASED = "leased"
    SENT = "sent"
    PERMANENT_FAILURE = "permanent_failure"
    TEMPORARY_FAILURE = "temporary_failure"
    INHIBITED = "inhibited"
    UNKNOWN = "unknown"


RETRIED = (MessageStatus.PERMANENT_FAILURE, MessageStatus.TEMPORARY_FAILURE, MessageStatus.INHIBITED)
UNSETTLED = (MessageStatus.PENDING, MessageStatus.LEASED, MessageStatus.TEMPORARY_FAILURE)


class NotificationMessage(models.Model):
    """One message by one method, written in the transaction of the fact it tells of."""

    rbac_type = ResourceType.NOTIFICATION_MESSAGE

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    notification_template_id = models.UUIDField()
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    method = models.CharField(max_length=16, choices=Method)
    status = models.CharField(max_length=24, choices=MessageStatus, default=MessageStatus.PENDING)
    status_reason = models.TextField(blank=True)
    created_by = models.CharField(max_length=64)
    payload = models.JSONField()
    attempt_count = models.PositiveSmallIntegerField(default=0)
    targets = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)
    leased_until = models.DateTimeField(null=True, blank=True)
    lease_holder = models.UUIDField(null=True, blank=True)
    next_retry_after = models.DateTimeField(null=True, blank=True)
    queued_seconds = models.FloatField(null=True, blank=True)
    dedupe_hash = models.CharField(max_length=32)

    class Meta:
        ordering = ("-created_at",)
        constraints = (
            models.UniqueConstraint(fields=("dedupe_hash",), name="notification_dedupe"),
            models.CheckConstraint(condition=Q(method__in=Method.values), name="notification_method_known"),
            models.CheckConstraint(
                condition=Q(status__in=MessageStatus.values), name="notification_status_known"
            ),
        )
        indexes = (
            # What may still have to be delivered: few rows, however long the log is.
            models.Index(
                fields=("method", "created_at"), condition=Q(status__in=UNSETTLED), name="notification_due"
            ),
            models.Index(fields=("-created_at",), name="notification_log"),
            models.Index(fields=("updated_at",), name="notification_age"),
        )

    def __str__(self) -> str:
        return f"{self.method} to {self.user_id}: {self.status}"

    @property
    def can_retry(self) -> bool:
        """Whether it ended, or rests, without having been delivered."""
        return self.status in RETRIED


class NotificationBurst(models.Model):
    """Until when further incidents of one kind about one thing are held back, to become one message."""

    rbac_type = ResourceType.NOTIFICATION_MESSAGE

    notification_template_id = models.UUIDField()
    topic = models.UUIDField()
    quiet_until = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("notification_template_id", "topic"), name="notification_burst_unique"
            ),
        )
        indexes = (models.Index(fields=("quiet_until",), name="notification_burst_due"),)

    def __str__(self) -> str:
        return f"{self.notification_template_id} about {self.topic} until {self.quiet_until}"


class NotificationIncident(models.Model):
    """A fact that is held back: it is told with its like when the burst's quiet time ends."""

    rbac_type = ResourceType.NOTIFICATION_MESSAGE

    burst = models.ForeignKey(NotificationBurst, on_delete=models.CASCADE, related_name="incidents")
    recipients = models.JSONField()  # user ids
    audience = models.JSONField(default=list, blank=True)  # site roles that they were named for
    labels = models.JSONField()
    data = models.JSONField(default=dict, blank=True)
    targets = models.JSONField(default=list, blank=True)
    created_by = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=timezone.now)
    fingerprint = models.CharField(max_length=32, default="")  # of its words: see `bursts.fingerprint`

    class Meta:
        ordering = ("created_at", "id")
        indexes = (models.Index(fields=("burst", "fingerprint"), name="notification_incident_words"),)

    def __str__(self) -> str:
        return f"incident of {self.created_at}"


class NotificationTold(models.Model):
    """That an incident of a burst was told, kept for its day: the same in the same words is no news then."""

    rbac_type = ResourceType.NOTIFICATION_MESSAGE

    burst = models.ForeignKey(NotificationBurst, on_delete=models.CASCADE, related_name="told")
    fingerprint = models.CharField(max_length=32)
    recipients = models.JSONField()  # user ids
    told_at = models.DateTimeField()

    class Meta:
        indexes = (
            models.Index(fields=("burst", "fingerprint"), name="notification_told_words"),
            models.Index(fields=("told_at",), name="notification_told_age"),
        )

    def __str__(self) -> str:
        return f"{self.fingerprint} at {self.told_at}"


class NotificationReportLog(models.Model):
    """Until when a periodic report has been made. Its row is the lock of whoever makes the next one."""

    rbac_type = ResourceType.NOTIFICATION_MESSAGE

    notification_template_id = models.UUIDField(primary_key=True)
    last_generated_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.notification_template_id} at {self.last_generated_at}"


class InboxNotification(models.Model):
    """A message in a person's inbox."""

    rbac_type = ResourceType.INBOX_NOTIFICATION

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="inbox")
    template_id = models.UUIDField()
    targets = models.JSONField(default=list, blank=True)
    title = models.TextField()
    content = models.TextField()
    icon = models.CharField(max_length=256, blank=True)
    actions = models.JSONField(default=list, blank=True)
    read_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-created_at", "-id")
        indexes = (
            models.Index(fields=("user", "-created_at", "-id"), name="inbox_user"),
            models.Index(fields=("user",), condition=Q(read_at__isnull=True), name="inbox_unread"),
        )

    def __str__(self) -> str:
        return self.title

    def rbac_object(self) -> RbacObject:
        """``inbox_notification``, owned by its reader."""
        return RbacObject(ResourceType.INBOX_NOTIFICATION, id=str(self.id), owner=str(self.user_id))


class NotificationPreference(models.Model):
    """Whether a person wants one kind of message at all (`method` ""), or by one method."""

    rbac_type = ResourceType.NOTIFICATION_PREFERENCE

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    notification_template_id = models.UUIDField()
    method = models.CharField(max_length=16, choices=Method, blank=True, default="")
    disabled = models.BooleanField(default=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("user", "notification_template_id", "method"), name="notification_preference_unique"
            ),
        )

    def __str__(self) -> str:
        return f"{self.user_id} {self.notification_template_id} {self.method}".rstrip()


class NotificationMethodOverride(models.Model):
    """The deployment's own method for one kind, in place of the default."""

    rbac_type = ResourceType.NOTIFICATION_TEMPLATE

    notification_template_id = models.UUIDField(primary_key=True)
    method = models.CharField(max_length=16, choices=Method)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.notification_template_id} by {self.method}"
