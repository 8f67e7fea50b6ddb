"""Workspaces and with whom they are shared.

A workspace is a prebuild exactly while the prebuilds user owns it; there is no flag
(reference/prebuilds.md 1.1).
"""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from coder_admin.organizations.models import PREBUILDS_USER_ID
from rbac.grants import AclTables
from rbac.model import LEGAL_ACTIONS, Action, RbacObject, ResourceType

from ..choices import (
    AutomaticUpdates,
)
from ..querysets import WorkspaceQuerySet


class Workspace(models.Model):
    """A developer's environment. Durations are milliseconds, as in the API."""

    rbac_type = ResourceType.WORKSPACE
    rbac_name = ("owner__username", "name")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="workspaces")
    organization = models.ForeignKey(
        "organizations.Organization", on_delete=models.PROTECT, related_name="workspaces"
    )
    template = models.ForeignKey("catalog.Template", on_delete=models.PROTECT, related_name="workspaces")
    name = models.CharField(max_length=32)
    deleted = models.BooleanField(default=False)
    autostart_schedule = models.CharField(max_length=128, blank=True, default="")
    next_start_at = models.DateTimeField(null=True, blank=True)
    ttl_ms = models.PositiveBigIntegerField(null=True, blank=True)
    last_used_at = models.DateTimeField(default=timezone.now)
    dormant_at = models.DateTimeField(null=True, blank=True)
    deleting_at = models.DateTimeField(null=True, blank=True)
    automatic_updates = models.CharField(
        max_length=8, choices=AutomaticUpdates, default=AutomaticUpdates.NEVER
    )
    favorite = models.BooleanField(default=False)  # the owner's mark
    # Maintained in the transaction that inserts a build, so that nothing ever searches for it.
    latest_build = models.OneToOneField(
        "WorkspaceBuild", null=True, blank=True, on_delete=models.SET_NULL, related_name="latest_of"
    )

    objects = WorkspaceQuerySet.as_manager()

    class Meta:
        ordering = ("name",)
        permissions = (
            ("use_workspace", "Can look at, start, stop and connect to the workspace"),
            ("admin_workspace", "Can do everything with the workspace but delete it"),
        )
        constraints = (
            models.UniqueConstraint(
                "owner", Lower("name"), condition=Q(deleted=False), name="workspace_name_unique"
            ),
            models.CheckConstraint(
                condition=Q(automatic_updates__in=AutomaticUpdates.values), name="workspace_updates_known"
            ),
        )
        indexes = (
            # A claim walks the prebuilds of one template along it, oldest first, to the first good one.
            models.Index(
                fields=("owner", "template", "created_at", "id"),
                condition=Q(deleted=False),
                name="workspace_owner_live_by_age",
            ),
            models.Index(fields=("template",), condition=Q(deleted=False), name="workspace_template_live"),
            # The executor asks for these every minute; most workspaces have neither.
            models.Index(
                fields=("next_start_at",),
                condition=Q(deleted=False, next_start_at__isnull=False),
                name="workspace_next_start",
            ),
            models.Index(
                fields=("deleting_at",),
                condition=Q(deleted=False, deleting_at__isnull=False),
                name="workspace_deleting",
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def is_prebuild(self) -> bool:
        """Whether it waits in a pool: owned by the prebuilds user."""
        return self.owner_id == PREBUILDS_USER_ID

    def rbac_object(self) -> RbacObject:
        """``workspace`` with its access lists, or ``workspace_dormant`` while dormant, then without
        (rbac-and-organizations.md 1.2)."""
        id_, org, owner = str(self.id), str(self.organization_id), str(self.owner_id)
        if self.dormant_at:
            return RbacObject(ResourceType.WORKSPACE_DORMANT, id_, org, owner)
        users, groups = WORKSPACE_ACL.lists(self)
        return RbacObject(ResourceType.WORKSPACE, id_, org, owner, acl_users=users, acl_groups=groups)


class WorkspaceUserPermission(UserObjectPermissionBase):
    """A user with whom one workspace is shared (guardian, direct foreign key)."""

    content_object = models.ForeignKey(Workspace, on_delete=models.CASCADE)

    class Meta(UserObjectPermissionBase.Meta):
        abstract = False


class WorkspaceGroupPermission(GroupObjectPermissionBase):
    """A group with which one workspace is shared (guardian, direct foreign key)."""

    content_object = models.ForeignKey(Workspace, on_delete=models.CASCADE)

    class Meta(GroupObjectPermissionBase.Meta):
        abstract = False


WORKSPACE_ACL = AclTables(
    model=Workspace,
    user_table=WorkspaceUserPermission,
    group_table=WorkspaceGroupPermission,
    # The API roles "use" and "admin", as Coder's newest E2 releases have them. "admin" holds `create`, which
    # stands for changing the list, and no `delete`: nobody deletes what they could not make again.
    actions={
        "use_workspace": frozenset({"read", "start", "stop", "ssh", "application_connect"}),
        "admin_workspace": frozenset(
            str(action) for action in LEGAL_ACTIONS[ResourceType.WORKSPACE] - {Action.DELETE}
        ),
    },
)
