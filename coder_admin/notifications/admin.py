"""The outbox in Django's admin: what was sent to whom by which way, and why not."""

from __future__ import annotations

from django.contrib import admin

from rbac.admin import PolicyAdmin
from rbac.filters import FieldMap
from rbac.model import ResourceType

from .models import NotificationMessage


@admin.register(NotificationMessage)
class NotificationMessageAdmin(PolicyAdmin):
    list_display = ("created_at", "user", "method", "status", "attempt_count", "status_reason", "created_by")
    list_filter = ("status", "method")
    list_select_related = ("user",)
    search_fields = ("user__username", "created_by")
    date_hierarchy = "created_at"
    policy_fields = (FieldMap(ResourceType.NOTIFICATION_MESSAGE),)
