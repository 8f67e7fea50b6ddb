"""Jobs and workers in the admin: to read, never to change by hand (the state machine does that)."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from .models import ProvisionerDaemon, ProvisionerJob


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(ProvisionerJob)
class ProvisionerJobAdmin(ReadOnlyAdmin):
    list_display = ("id", "type", "job_status", "organization", "initiator", "worker", "created_at")
    list_filter = ("job_status", "type", "organization")
    list_select_related = ("organization", "initiator", "worker")
    search_fields = ("id", "error")
    date_hierarchy = "created_at"
    exclude = ("input",)
    show_full_result_count = False


@admin.register(ProvisionerDaemon)
class ProvisionerDaemonAdmin(ReadOnlyAdmin):
    list_display = ("name", "hostname", "version", "concurrency", "created_at", "last_seen_at")
    search_fields = ("name", "hostname")
    show_full_result_count = False
