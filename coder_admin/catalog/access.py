"""Reading a template's access list (rbac-and-organizations.md section 5)."""

from __future__ import annotations

from typing import Any

from django.db.models import Q

from coder_admin.foundation.errors import NotFound
from coder_admin.organizations.models import Group, User
from rbac.django import may
from rbac.model import Action, Subject

from .acl_editing import listed
from .grants import ACL_FORM
from .models import Template
from .representations import group_body, user_body

CANDIDATES = 100


def acl_of(*, viewer: Subject, template: Template) -> dict[str, list[dict[str, Any]]]:
    """``{users: [{…, role}], group: [{…, role}]}`` in order of names; only for who manages the template (the
    list names people), else NotFound."""
    if not may(viewer, Action.UPDATE, template):
        raise NotFound
    return listed(ACL_FORM, template)


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
        "groups": [group_body(group) for group in groups.order_by("name")[:CANDIDATES]],
    }
