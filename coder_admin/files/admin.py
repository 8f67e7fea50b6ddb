"""Uploaded archives in the admin: to read, without their content."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from rbac.django import subject_for
from rbac.filters import FieldMap, visible_q
from rbac.model import Action, ResourceType

from .models import File

FILE_FIELDS = FieldMap(ResourceType.FILE, owner="created_by_id")


@admin.register(File)
class FileAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("hash", "created_by", "mimetype", "size", "created_at")
    list_select_related = ("created_by",)
    search_fields = ("hash", "created_by__username")
    date_hierarchy = "created_at"
    exclude = ("data",)
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Only what the policy lets the person read; never the content, which is large."""
        rows = File.objects.filter(visible_q(subject_for(request.user), Action.READ, FILE_FIELDS))
        return rows.defer("data")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False
