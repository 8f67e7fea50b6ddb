"""Workspaces, builds and agents in Django's admin: to look at. Changing them is the builder's business."""

from __future__ import annotations

from django.contrib import admin

from rbac.admin import PolicyAdmin

from .models import Workspace, WorkspaceAgent, WorkspaceBuild


@admin.register(Workspace)
class WorkspaceAdmin(PolicyAdmin):
    list_display = ("name", "owner", "organization", "template", "last_used_at", "deleted")
    list_filter = ("deleted", "organization")
    list_select_related = ("owner", "organization", "template")
    search_fields = ("name", "owner__username", "template__name")
    date_hierarchy = "created_at"


@admin.register(WorkspaceBuild)
class WorkspaceBuildAdmin(PolicyAdmin):
    """Without the state: it may hold secrets."""

    list_display = ("workspace", "build_number", "transition", "reason", "prebuild_stage", "created_at")
    list_filter = ("transition", "reason", "prebuild_stage")
    list_select_related = ("workspace",)
    search_fields = ("workspace__name",)
    date_hierarchy = "created_at"
    exclude = ("provisioner_state",)


@admin.register(WorkspaceAgent)
class WorkspaceAgentAdmin(PolicyAdmin):
    """Without the token: whoever has it is the agent."""

    list_display = ("name", "lifecycle_state", "version", "last_connected_at", "logs_overflowed")
    list_filter = ("lifecycle_state",)
    search_fields = ("name",)
    exclude = ("auth_token", "environment_variables")
