"""Django's admin for what pools record; rows are facts, so they are only looked at."""

from __future__ import annotations

from django.contrib import admin

from prebuilds.models import PrebuildEvent
from rbac.admin import PolicyAdmin
from rbac.filters import FieldMap
from rbac.model import ResourceType


@admin.register(PrebuildEvent)
class PrebuildEventAdmin(PolicyAdmin):
    list_display = ("created_at", "kind", "organization", "template", "preset_name", "workspace")
    list_filter = ("kind", "organization")
    search_fields = ("preset_name", "template__name")
    list_select_related = ("organization", "template", "workspace")
    date_hierarchy = "created_at"
    policy_fields = (FieldMap(ResourceType.TEMPLATE, id="template_id", org="organization_id"),)
