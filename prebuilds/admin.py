"""Django's admin for what pools record; rows are facts, so they are only looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.http import HttpRequest

from prebuilds.models import PrebuildEvent

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[PrebuildEvent]
else:
    _ModelAdmin = admin.ModelAdmin


@admin.register(PrebuildEvent)
class PrebuildEventAdmin(_ModelAdmin):
    list_display = ("created_at", "kind", "organization", "template", "preset_name", "workspace")
    list_filter = ("kind", "organization")
    search_fields = ("preset_name", "template__name")
    list_select_related = ("organization", "template", "workspace")
    date_hierarchy = "created_at"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: PrebuildEvent | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: PrebuildEvent | None = None) -> bool:
        return False
