"""The policy: one decision, and the first page of a filtered list against the same query unfiltered."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

from .figure import Figure
from .reconcile import database

ROLES, GROUPS = 10, 50
WORKSPACES, VISIBLE = 100_000, 10_000
CALLS, ROUNDS = 20_000, 5
PAGE = 25
GOAL_MICROSECONDS, GOAL_RATIO = 20.0, 1.3


def measure() -> list[Figure]:
    """Microseconds of `authorize` in four cases and against an empty call; then the list, on both sides."""
    figures = decisions()
    with database():
        figures += lists()
    return figures


def decisions() -> list[Figure]:
    """A subject with ten roles and fifty groups: decided by a role, by an access list, by nothing, and asked
    twice as a prebuilt workspace."""
    from rbac import PREBUILDS_USER_ID, Action, RbacObject, ResourceType, Subject
    from rbac.policy import allowed
    from rbac.prebuilt import workspace_allowed
    from rbac.roles import org_role, site_role

    orgs = [str(uuid.uuid4()) for _ in range(ROLES)]
    groups = [str(uuid.uuid4()) for _ in range(GROUPS)]
    roles = (site_role("member"), *(org_role("organization-member", org) for org in orgs[: ROLES - 1]))
    who = Subject(str(uuid.uuid4()), "ada", roles, frozenset(groups))
    listed = {group: frozenset({"read", "use"}) for group in [*map(str, range(19)), groups[-1]]}
    shared = RbacObject(ResourceType.TEMPLATE, id="t", org=orgs[0], acl_groups=listed)
    own = RbacObject(ResourceType.WORKSPACE, id="w", org=orgs[0], owner=who.id)
    pooled = RbacObject(ResourceType.WORKSPACE, id="p", org=orgs[0], owner=PREBUILDS_USER_ID)

    def empty() -> None: ...

    cases: dict[str, Callable[[], object]] = {
        "authorize, decided by a role": lambda: allowed(who, Action.READ, own),
        "authorize, decided by an access list": lambda: allowed(who, Action.USE, shared),
        "authorize, denied after every step": lambda: allowed(who, Action.DELETE, shared),
        "authorize, workspace then prebuilt": lambda: workspace_allowed(who, Action.DELETE, pooled),
    }
    bare = per_call(empty)
    slowest = max(per_call(case) for case in cases.values())
    figures = [Figure(name, per_call(case), GOAL_MICROSECONDS, "µs") for name, case in cases.items()]
    return [*figures, Figure("the slowest against an empty call (ratio)", slowest, bare, "µs")]


def per_call(work: Callable[[], object]) -> float:
    """Microseconds of one call, the best of a few rounds."""
    found = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for _ in range(CALLS):
            work()
        found.append((time.perf_counter() - begun) / CALLS * 1e6)
    return min(found)


def lists() -> list[Figure]:
    """The first page of workspaces, newest use first, for who sees a tenth by a role and for who sees it by a
    group's access list."""
    from django.utils import timezone

    from coder_admin.workspaces.models import Workspace
    from coder_admin.workspaces.search import parse_query
    from coder_admin.workspaces.selectors import workspaces
    from rbac import Subject
    from rbac.roles import org_role, site_role

    inside, group = make_rows()
    now, everything = timezone.now(), parse_query("")
    by_role = Subject(
        str(uuid.uuid4()), "lead", (site_role("member"), org_role("organization-admin", inside))
    )
    by_list = Subject(
        str(uuid.uuid4()),
        "ada",
        (site_role("member"), org_role("organization-member", inside)),
        frozenset({group}),
    )

    def page(rows: Any) -> Callable[[], object]:
        return lambda: list(rows.with_latest_build()[:PAGE])

    unfiltered = Workspace.objects.live().order_by("-last_used_at", "name")
    bare = milliseconds(page(unfiltered))
    figures = []
    for name, who in (("a role", by_role), ("a group's access list", by_list)):
        rows = workspaces(viewer=who, query=everything, now=now)
        assert rows.count() == VISIBLE, rows.count()
        figures.append(
            Figure(
                f"first page, {VISIBLE} of {WORKSPACES} visible by {name}",
                milliseconds(page(rows)),
                bare * GOAL_RATIO,
                "ms",
            )
        )
    return figures


def milliseconds(work: Callable[[], object]) -> float:
    found = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        work()
        found.append((time.perf_counter() - begun) * 1e3)
    return min(found)


def make_rows() -> tuple[str, str]:
    """Ten organizations of ten thousand workspaces; the ids of the first and of a group that all of its
    workspaces are shared with."""
    from datetime import timedelta

    from django.contrib.auth.models import Group as AuthGroup
    from django.contrib.auth.models import Permission
    from django.db import connection
    from django.utils import timezone

    from coder_admin.catalog.models import Template
    from coder_admin.organizations.models import Group, Organization, User
    from coder_admin.workspaces.models import Workspace, WorkspaceGroupPermission

    now = timezone.now()
    owner = User.objects.create(username="owner", email="owner@example.com")
    orgs = [Organization.objects.create(name=f"o{n}") for n in range(WORKSPACES // VISIBLE)]
    templates = [Template.objects.create(organization=org, name="t", created_by=owner) for org in orgs]
    rows = [
        Workspace(
            organization=orgs[n % len(orgs)],
            template=templates[n % len(orgs)],
            owner=owner,
            name=f"w{n}",
            last_used_at=now - timedelta(seconds=(n * 7919) % WORKSPACES),
        )
        for n in range(WORKSPACES)
    ]
    Workspace.objects.bulk_create(rows, batch_size=2000)
    auth_group = AuthGroup.objects.create(name="devs")
    group = Group.objects.create(organization=orgs[0], name="devs", auth_group=auth_group)
    use = Permission.objects.get(codename="use_workspace")
    WorkspaceGroupPermission.objects.bulk_create(
        (
            WorkspaceGroupPermission(group=auth_group, permission=use, content_object=row)
            for row in rows
            if row.organization_id == orgs[0].id
        ),
        batch_size=2000,
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return str(orgs[0].id), str(group.id)
