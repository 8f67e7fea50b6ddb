"""Templates and versions in the admin: to read; changes go through the pages and the API, which audit."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from rbac.admin import PolicyAdmin

from .models import (
    Template,
    TemplateVersion,
    TemplateVersionParameter,
    TemplateVersionPreset,
)


class _Inline(admin.TabularInline):  # type: ignore[type-arg]
    extra = 0
    can_delete = False
    show_change_link = False

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Who sees the version sees what it declares."""
        return True


class ParameterInline(_Inline):
    model = TemplateVersionParameter
    fields = (
        "name",
        "display_name",
        "type",
        "form_type",
        "default_value",
        "required",
        "mutable",
        "ephemeral",
    )


class PresetInline(_Inline):
    model = TemplateVersionPreset
    fields = ("name", "is_default", "desired_instances", "invalidate_after_secs", "prebuild_status")


@admin.register(Template)
class TemplateAdmin(PolicyAdmin):
    list_display = (
        "name",
        "display_name",
        "organization",
        "active_version",
        "created_by",
        "deleted",
        "updated_at",
    )
    list_filter = ("deleted", "organization")
    list_select_related = ("organization", "active_version", "created_by")
    search_fields = ("name", "display_name", "description")


@admin.register(TemplateVersion)
class TemplateVersionAdmin(PolicyAdmin):
    list_display = ("name", "template", "organization", "job", "created_by", "archived", "created_at")
    list_filter = ("archived", "organization")
    list_select_related = ("template", "organization", "job", "created_by")
    search_fields = ("name", "template__name", "message")
    date_hierarchy = "created_at"
    inlines = (ParameterInline, PresetInline)
