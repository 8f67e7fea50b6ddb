"""Reading a template's access list (rbac-and-organizations.md section 5)."""

from __future__ import annotations

from typing import Any

from django.db.models import Q

from coder_admin.foundation.errors import NotFound
from coder_admin.organizations.models import Group, User
from rbac.django import may
from rbac.model import Action, Subject

from .grants import role_of
from .models import TEMPLATE_ACL, Template
from .representations import user_body

CANDIDATES = 100


def acl_of(*, viewer: Subject, template: Template) -> dict[str, list[dict[str, Any]]]:
    """``{users: [{…, role}], group: [{…, role}]}`` in order of names."""
    acl = TEMPLATE_ACL.of(template)
    users = User.objects.live().filter(pk__in=acl.users).order_by("username")
    groups = Group.objects.filter(pk__in=acl.groups).order_by("name")
    return {
        "users": [{**user_body(user), "role": role_of(acl.users[str(user.id)])} for user in users],
        "group": [{**_group_body(group), "role": role_of(acl.groups[str(group.id)])} for group in groups],
    }


def acl_candidates(
    *, viewer: Subject, template: Template, query: str = ""
) -> dict[str, list[dict[str, Any]]]:
    """Members and groups of the organization; only for who manages the template, else NotFound."""
    if not may(viewer, Action.UPDATE, template):
        raise NotFound
    users = User.objects.people().filter(memberships__organization_id=template.organization_id)
    groups = Group.objects.filter(organization_id=template.organization_id)
    if query:
        users = users.filter(
            Q(username__icontains=query) | Q(name__icontains=query) | Q(email__icontains=query)
        )
        groups = groups.filter(Q(name__icontains=query) | Q(display_name__icontains=query))
    return {
        "users": [user_body(user) for user in users.order_by("username")[:CANDIDATES]],
        "groups": [_group_body(group) for group in groups.order_by("name")[:CANDIDATES]],
    }


def _group_body(group: Group) -> dict[str, Any]:
    return {
        "id": str(group.id),
        "name": group.name,
        "display_name": group.display_name,
        "organization_id": str(group.organization_id),
        "avatar_url": group.avatar_url,
    }
