"""The dry run: what a login with given claims would change, in words and as JSON; nothing is written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from coder_admin.foundation.errors import Invalid, ServiceError, Validation

from ..models import Organization, User, UserLink
from ..oidc.identity import check_groups, rules
from .claims import ClaimError, Claims
from .loading import load_world
from .plan import Plan, World, make_plan

MAXIMUM_LINKS = 5000
"""How many people's last claims are looked through for names and values of claims, newest logins first."""


@dataclass(frozen=True)
class Line:
    """One change or note as a person reads it."""

    kind: str
    where: str
    text: str


@dataclass(frozen=True)
class Preview:
    """What would change for one person. `lines` is empty when nothing would."""

    plan: Plan
    lines: tuple[Line, ...]
    notes: tuple[Line, ...]


def preview(claims: Claims, *, user: User | None, organization: Organization | None = None) -> Preview:
    """The plan for `user` (None: somebody without an account) under the settings in force. With
    `organization`, only what happens there is told. Raises Invalid for claims that would refuse the login."""
    world = load_world(user)
    try:
        plan = make_plan(claims, world)
    except ClaimError as error:
        raise Invalid(
            "A login with these claims would be refused.", validations=[Validation("claims", str(error))]
        ) from error
    notes = list(_notes(plan, world))
    if organization is not None:
        plan = _only(plan, organization.id)
        notes = list(_notes(plan, world))
    elif (refused := _refused(claims)) is not None:
        notes.insert(0, refused)
    return Preview(plan, tuple(_lines(plan, world)), tuple(notes))


def _refused(claims: Claims) -> Line | None:
    """The deployment's list of groups that may log in is judged too; other rules need claims that a dry run
    of groups and roles leaves out (`sub`, `email`)."""
    try:
        check_groups(claims, rules())
    except ServiceError as error:
        return Line("note", "Deployment", f"The login would be refused. {error}")
    return None


def _only(plan: Plan, id_: UUID) -> Plan:
    return Plan(
        join=tuple(org for org in plan.join if org == id_),
        leave=tuple(org for org in plan.leave if org == id_),
        groups=tuple(change for change in plan.groups if change.organization_id == id_),
        roles=tuple(change for change in plan.roles if change.organization_id == id_),
        notes=tuple(note for note in plan.notes if note.organization_id == id_),
    )


def _lines(plan: Plan, world: World) -> Iterable[Line]:
    for id_ in plan.join:
        yield Line("join", world.places[id_].name, "Becomes a member")
    for id_ in plan.leave:
        yield Line("leave", world.places[id_].name, "Stops being a member, and leaves every group there")
    for change in plan.groups:
        place = world.places[change.organization_id]
        for group in change.join:
            yield Line("join", place.name, f"Joins the group {place.groups[group]}")
        for name in change.create:
            yield Line("join", place.name, f"Joins the group {name}, which is created")
        for group in change.leave:
            yield Line("leave", place.name, f"Leaves the group {place.groups[group]}")
    for role in plan.roles:
        where = world.places[role.organization_id].name if role.organization_id else "Deployment"
        for name in role.after:
            if name not in role.before:
                yield Line("join", where, f"Gets the role {name}")
        for name in role.before:
            if name not in role.after:
                yield Line("leave", where, f"Loses the role {name}")


def _notes(plan: Plan, world: World) -> Iterable[Line]:
    for note in plan.notes:
        where = world.places[note.organization_id].name if note.organization_id else "Deployment"
        yield Line("note", where, note.text)


def preview_json(result: Preview) -> dict[str, Any]:
    """The JSON of a dry run."""
    plan = result.plan
    return {
        "organizations": {"join": list(map(str, plan.join)), "leave": list(map(str, plan.leave))},
        "groups": [
            {
                "organization_id": str(change.organization_id),
                "join": list(map(str, change.join)),
                "leave": list(map(str, change.leave)),
                "create": list(change.create),
            }
            for change in plan.groups
        ],
        "roles": [
            {
                "organization_id": str(change.organization_id) if change.organization_id else None,
                "before": list(change.before),
                "after": list(change.after),
            }
            for change in plan.roles
        ],
        "changes": [line.text for line in result.lines],
        "notes": [line.text for line in result.notes],
    }


def claim_fields(organization: Organization | None = None) -> list[str]:
    """The names of claims that people (of the organization) had at their last logins."""
    return sorted({name for claims in _claims(organization) for name in claims})


def claim_values(field: str, organization: Organization | None = None) -> list[str]:
    """The values that people (of the organization) had for a claim."""
    found: set[str] = set()
    for claims in _claims(organization):
        value = claims.get(field)
        items = value if isinstance(value, list) else [value]
        found |= {str(item) for item in items if isinstance(item, str | int | float | bool)}
    return sorted(found)


def _claims(organization: Organization | None) -> Iterable[dict[str, Any]]:
    rows = UserLink.objects.filter(user__deleted=False)
    if organization is not None:
        rows = rows.filter(user__memberships__organization=organization)
    return rows.order_by("-last_login_at").values_list("claims", flat=True)[:MAXIMUM_LINKS]


def last_claims(user: User) -> dict[str, Any]:
    """What the provider said of the user at the last login; nothing if it never did."""
    found = UserLink.objects.filter(user=user).values_list("claims", flat=True).first()
    return dict(found or {})
