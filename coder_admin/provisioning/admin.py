"""Jobs and workers in the admin: to read, never to change by hand (the state machine does that)."""

from __future__ import annotations

from django.contrib import admin

from rbac.admin import PolicyAdmin
from rbac.filters import FieldMap
from rbac.model import ResourceType

from .models import ProvisionerDaemon, ProvisionerJob
from .selectors import JOB_FIELDS


@admin.register(ProvisionerJob)
class ProvisionerJobAdmin(PolicyAdmin):
    list_display = ("id", "type", "job_status", "organization", "initiator", "worker", "created_at")
    list_filter = ("job_status", "type", "organization")
    list_select_related = ("organization", "initiator", "worker")
    search_fields = ("id", "error")
    date_hierarchy = "created_at"
    exclude = ("input",)
    policy_fields = (JOB_FIELDS,)


@admin.register(ProvisionerDaemon)
class ProvisionerDaemonAdmin(PolicyAdmin):
    list_display = ("name", "hostname", "version", "concurrency", "created_at", "last_seen_at")
    search_fields = ("name", "hostname")
    # Workers serve the whole deployment: they belong to no organization.
    policy_fields = (FieldMap(ResourceType.PROVISIONER_DAEMON),)
