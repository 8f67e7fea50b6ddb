"""Organizations: made, changed, and deleted once nothing lives in them (reference section 4)."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction

from coder_admin.audit.choices import AuditedAction, AuditedType
from coder_admin.audit.diffs import Diff, Tracked
from coder_admin.audit.services import record
from coder_admin.foundation.errors import Conflict, Forbidden, Invalid, Validation
from rbac.django import may, require
from rbac.model import Action, RbacObject, ResourceType, Subject

from ..dependents import organization_dependents
from ..models import PREBUILDS_GROUP_NAME, Group, Organization, OrganizationMember, User
from ..names import display_problem, refuse_problems, slug_problem
from ..seed import ensure_everyone_group
from .members import insert_membership

_TRACKED = Tracked(track=("name", "display_name", "description", "icon", "deleted"))


@transaction.atomic
def organization_create(
    actor: Subject, *, name: str, display_name: str = "", description: str = "", icon: str = ""
) -> Organization:
    """A new organization with its Everyone group (same id); its maker becomes a plain member."""
    if not may(actor, Action.CREATE, RbacObject(ResourceType.ORGANIZATION)):
        raise Forbidden("You may not create organizations.")
    display_name = display_name or name
    _check(name=name, display_name=display_name, description=description, icon=icon)
    _refuse_taken(name)
    try:
        with transaction.atomic():
            organization = Organization.objects.create(
                name=name, display_name=display_name, description=description, icon=icon
            )
    except IntegrityError as error:
        raise _taken(name) from error
    ensure_everyone_group(organization)
    maker = None if actor.is_system else User.objects.filter(pk=actor.id).first()
    if maker is not None:
        insert_membership(organization, maker)
    diff = _TRACKED.changes(None, _TRACKED.snapshot(organization))
    _audit(actor, AuditedAction.CREATE, organization, diff)
    return organization


@transaction.atomic
def organization_update(actor: Subject, *, organization: Organization, **changes: str) -> Organization:
    """Change any of `name`, `display_name`, `description`, `icon`."""
    require(actor, Action.UPDATE, organization)
    _check(**changes)
    if "name" in changes and changes["name"].lower() != organization.name.lower():
        _refuse_taken(changes["name"])
    before = _TRACKED.snapshot(organization)
    for field, value in changes.items():
        setattr(organization, field, value)
    try:
        with transaction.atomic():
            organization.save(update_fields=[*changes, "updated_at"])
    except IntegrityError as error:
        raise _taken(organization.name) from error
    diff = _TRACKED.changes(before, _TRACKED.snapshot(organization))
    if diff:
        _audit(actor, AuditedAction.WRITE, organization, diff)
    return organization


@transaction.atomic
def organization_delete(actor: Subject, *, organization: Organization) -> None:
    """Soft delete, refused for the default organization and while anything lives in it.

    System members and their group do not count (they would make it impossible for ever).
    """
    require(actor, Action.DELETE, organization)
    if organization.is_default:
        raise Invalid("Default organization cannot be deleted.")
    Organization.objects.select_for_update().get(pk=organization.pk)
    _refuse_inhabited(organization)
    before = _TRACKED.snapshot(organization)
    organization.deleted = True
    organization.save(update_fields=["deleted", "updated_at"])
    diff = _TRACKED.changes(before, _TRACKED.snapshot(organization))
    _audit(actor, AuditedAction.DELETE, organization, diff)


def _refuse_inhabited(organization: Organization) -> None:
    counts = organization_dependents(organization.id)
    system_groups = {"name__in": [PREBUILDS_GROUP_NAME]}
    groups = Group.objects.filter(organization=organization).exclude(id=organization.id)
    members = OrganizationMember.objects.filter(organization=organization).people().count()
    found = {
        **counts,
        "groups": groups.exclude(**system_groups).count(),
        # One may stay: nobody can remove oneself.
        "members": members - 1,
    }
    parts = [f"{count} {plural}" for plural, count in found.items() if count > 0]
    if parts:
        raise Conflict(
            f"Organization {organization.name} is not empty.",
            detail=(
                f"cannot delete organization: organization has {', '.join(parts)} that must be deleted first"
            ),
        )


def _check(**fields: Any) -> None:
    problems = []
    if "name" in fields:
        name = fields["name"]
        reserved = '"default" is a reserved word' if name == "default" else ""
        problems.append(("name", slug_problem(name) or reserved))
    if "display_name" in fields:
        problems.append(("display_name", display_problem(fields["display_name"])))
    for field, maximum in (("description", 1024), ("icon", 256)):
        if len(fields.get(field, "")) > maximum:
            problems.append((field, f"may have {maximum} characters at most"))
    refuse_problems(problems)


def _refuse_taken(name: str) -> None:
    if Organization.objects.live().filter(name__iexact=name).exists():
        raise _taken(name)


def _taken(name: str) -> Conflict:
    return Conflict(
        "Organization already exists with that name.",
        validations=[Validation("name", f'"{name}" is already in use; choose another name.')],
    )


def _audit(actor: Subject, action: AuditedAction, organization: Organization, diff: Diff) -> None:
    record(
        actor=actor,
        action=action,
        resource_type=AuditedType.ORGANIZATION,
        resource_id=organization.id,
        resource_target=organization.name,
        resource_icon=organization.icon,
        organization_id=organization.id,
        diff=diff,
    )
