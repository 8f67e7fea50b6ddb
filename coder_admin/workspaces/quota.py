"""Quota: how many credits a day the workspaces of one person in one organization may cost.

The allowance is the sum over the person's groups there, Everyone included; what is used is the sum of the
daily cost of their live workspaces' latest builds. The prebuilds user is a person like any other: its
allowance is that of the group `coderprebuiltworkspaces` (reference/rbac-and-organizations.md 3.1).

A build's cost is known once it is planned. `commit` decides then, before anything is made, in one
transaction that holds the member's row, so that two builds of one person cannot both take the last credits.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.db.models import Q, Sum

from coder_admin.foundation.errors import Forbidden
from coder_admin.organizations.models import Group, GroupMember, OrganizationMember

from .choices import PrebuildStage
from .models import Workspace, WorkspaceBuild

UNLIMITED = -1
ERROR = "insufficient quota"
ERROR_CODE = "INSUFFICIENT_QUOTA"

Place = tuple[uuid.UUID, uuid.UUID]
"""(organization id, user id)"""


@dataclass(frozen=True, slots=True)
class Quota:
    """Credits a day. `allowance` is UNLIMITED where quotas are not enforced."""

    consumed: int
    allowance: int

    @property
    def unlimited(self) -> bool:
        return self.allowance == UNLIMITED

    @property
    def left(self) -> int:
        """What is free; never below 0, since an allowance may have been lowered under what is used."""
        return max(0, self.allowance - self.consumed)


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a build may go on, and the numbers for its log. `consumed` includes the build if it may."""

    permitted: bool
    cost: int
    consumed: int
    allowance: int


def decide(quota: Quota, *, cost: int, carried: int, before: int) -> Decision:
    """Whether a build that costs `cost` fits. Pure.

    carried: what the workspace counts for in `quota.consumed` already. before: what it cost its owner before
    this build; one that does not become dearer is always permitted, so that who is over their allowance can
    still stop, shrink and delete.
    """
    after = quota.consumed - carried + cost
    permitted = quota.unlimited or cost <= before or after <= quota.allowance
    return Decision(permitted, cost, after if permitted else quota.consumed, quota.allowance)


def enforced(organization_id: uuid.UUID) -> bool:
    """Whether the organization limits costs: by the setting, or by itself once a group has an allowance."""
    if settings.WORKSPACE_QUOTAS != "auto":
        return bool(settings.WORKSPACE_QUOTAS == "on")
    return Group.objects.filter(organization=organization_id, quota_allowance__gt=0).exists()


def quota_of(organization_id: uuid.UUID, user_id: uuid.UUID) -> Quota:
    """One person's quota in one organization: three queries."""
    return quotas([(organization_id, user_id)])[organization_id, user_id]


def quotas(places: Collection[Place]) -> dict[Place, Quota]:
    """The quotas of many memberships at once: a constant number of queries."""
    organizations, users = {org for org, _ in places}, {user for _, user in places}
    used = _consumed(organizations, users)
    allowed, limited = _allowances(organizations, users)
    return {
        place: Quota(used.get(place, 0), allowed[place] if place[0] in limited else UNLIMITED)
        for place in places
    }


def _consumed(organizations: Iterable[uuid.UUID], users: Iterable[uuid.UUID]) -> dict[Place, int]:
    rows = (
        Workspace.objects.live()
        .filter(organization__in=organizations, owner__in=users)
        .order_by()
        .values_list("organization_id", "owner_id")
        .annotate(total=Sum("latest_build__daily_cost"))
    )
    return {(org, user): total or 0 for org, user, total in rows}


def _allowances(
    organizations: Collection[uuid.UUID], users: Collection[uuid.UUID]
) -> tuple[dict[Place, int], set[uuid.UUID]]:
    """What the groups allow, and which organizations limit costs at all."""
    groups = {
        id_: (org, allowance)
        for id_, org, allowance in Group.objects.filter(organization__in=organizations).values_list(
            "id", "organization_id", "quota_allowance"
        )
    }
    limited = {org for org, allowance in groups.values() if allowance}
    if settings.WORKSPACE_QUOTAS != "auto":
        limited = set(organizations) if settings.WORKSPACE_QUOTAS == "on" else set()
    found: dict[Place, int] = defaultdict(int)
    everyone = OrganizationMember.objects.filter(organization__in=organizations, user__in=users)
    for org, user in everyone.values_list("organization_id", "user_id"):
        found[org, user] += groups[org][1] if org in groups else 0
    joined = GroupMember.objects.filter(~Q(group_id__in=organizations), group__in=groups, user__in=users)
    for group, user in joined.values_list("group_id", "user_id"):
        org, allowance = groups[group]
        found[org, user] += allowance
    return found, limited


@transaction.atomic
def commit(build: WorkspaceBuild, cost: int) -> Decision:
    """Decide over a planned build and, if it may go on, book its cost on it.

    The member's row is held until the end: the next build of the same person sees what this one took.
    """
    workspace = build.workspace
    _hold_member(workspace)
    row = WorkspaceBuild.objects.only("daily_cost", "prebuild_stage").get(pk=build.pk)
    # A claim makes the whole cost new to its owner; what is carried came from the pool's account.
    before = 0 if row.prebuild_stage == PrebuildStage.CLAIM else row.daily_cost
    quota = quota_of(workspace.organization_id, workspace.owner_id)
    decision = decide(quota, cost=cost, carried=row.daily_cost, before=before)
    if decision.permitted:
        WorkspaceBuild.objects.filter(pk=build.pk).update(daily_cost=cost)
    return decision


def _hold_member(workspace: Workspace) -> None:
    rows = OrganizationMember.objects.select_for_update().filter(
        organization=workspace.organization_id, user=workspace.owner_id
    )
    list(rows.values_list("pk", flat=True))


def require_for_claim(workspace: Workspace) -> None:
    """Refuse, inside the transaction of a claim, a prebuild that its new owner cannot pay for: the pool keeps
    it. Raises Forbidden. The workspace belongs to its new owner already, so its cost is in what is used."""
    cost = workspace.latest_build.daily_cost if workspace.latest_build is not None else 0
    if not cost:
        return
    _hold_member(workspace)
    quota = quota_of(workspace.organization_id, workspace.owner_id)
    if not decide(quota, cost=cost, carried=cost, before=0).permitted:
        raise exceeded(cost, Quota(quota.consumed - cost, quota.allowance))


def exceeded(cost: int, quota: Quota) -> Forbidden:
    """The refusal, with its numbers and the ways out."""
    return Forbidden(
        "This workspace would exceed the owner's quota.",
        detail=(
            f"It costs {cost} credits a day; {quota.consumed} of {quota.allowance} are used. Delete or stop "
            "another workspace, choose a cheaper preset, or ask an administrator for a larger allowance."
        ),
    )
