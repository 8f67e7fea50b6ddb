"""The outbox in Django's admin: what was sent to whom by which way, and why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.http import HttpRequest

from .models import NotificationMessage

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[NotificationMessage]
else:
    _ModelAdmin = admin.ModelAdmin


@admin.register(NotificationMessage)
class NotificationMessageAdmin(_ModelAdmin):
    list_display = ("created_at", "user", "method", "status", "attempt_count", "status_reason", "created_by")
    list_filter = ("status", "method")
    list_select_related = ("user",)
    search_fields = ("user__username", "created_by")
    date_hierarchy = "created_at"
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: NotificationMessage | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: NotificationMessage | None = None) -> bool:
        return False
