"""Uploaded archives in the admin: to read, without their content."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from rbac.admin import PolicyAdmin
from rbac.filters import FieldMap
from rbac.model import ResourceType

from .models import File

FILE_FIELDS = FieldMap(ResourceType.FILE, owner="created_by_id")


@admin.register(File)
class FileAdmin(PolicyAdmin):
    list_display = ("hash", "created_by", "mimetype", "size", "created_at")
    list_select_related = ("created_by",)
    search_fields = ("hash", "created_by__username")
    date_hierarchy = "created_at"
    exclude = ("data",)
    policy_fields = (FILE_FIELDS,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Never the content, which is large."""
        return super().get_queryset(request).defer("data")
