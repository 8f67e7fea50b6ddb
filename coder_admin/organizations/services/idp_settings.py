"""The identity provider's sync settings: read and changed by who may, every real change audited.

Without the right these are 403 and not 404 (reference 4.4): that a deployment has such settings is no secret.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

import re2
from django.db import transaction

from coder_admin.audit.choices import AuditedAction, AuditedType
from coder_admin.audit.services import record
from coder_admin.foundation.errors import Forbidden, Invalid, Validation
from rbac.django import may
from rbac.model import Action, RbacObject, ResourceType, Subject
from rbac.roles import IMPLIED_ROLES

from ..idp import store
from ..idp.config import (
    GroupSync,
    OrganizationSync,
    RoleSync,
    group_sync_json,
    new_targets,
    organization_sync_json,
    role_sync_json,
)
from ..models import Group, Organization
from .roles import check_hand_out, plain_role_name, refuse_unknown_roles

MAXIMUM_MAPPED = 1000
FIELD_LENGTH = 256
S = TypeVar("S", OrganizationSync, GroupSync, RoleSync)


@dataclass(frozen=True)
class _Kind(Generic[S]):
    """One of the three settings: where it is kept, how it is audited, what a new value must fulfil."""

    audited: AuditedType
    key: str
    read: Callable[[], S]
    to_json: Callable[[S], dict[str, Any]]
    check: Callable[[Subject, S, S], None]
    organization: Organization | None = None


def _organization_kind() -> _Kind[OrganizationSync]:
    return _Kind(
        AuditedType.IDP_SYNC_SETTINGS_ORGANIZATION,
        store.ORGANIZATION_KEY,
        store.organization_sync,
        organization_sync_json,
        _check_organizations,
    )


def _group_kind(organization: Organization) -> _Kind[GroupSync]:
    def check(actor: Subject, before: GroupSync, after: GroupSync) -> None:
        _check_groups(organization, before, after)

    return _Kind(
        AuditedType.IDP_SYNC_SETTINGS_GROUP,
        store.group_key(organization.id),
        lambda: store.group_sync(organization),
        group_sync_json,
        check,
        organization,
    )


def _role_kind(organization: Organization) -> _Kind[RoleSync]:
    def check(actor: Subject, before: RoleSync, after: RoleSync) -> None:
        _check_roles(actor, organization, before, after)

    return _Kind(
        AuditedType.IDP_SYNC_SETTINGS_ROLE,
        store.role_key(organization.id),
        lambda: store.role_sync(organization),
        role_sync_json,
        check,
        organization,
    )


def organization_sync_get(actor: Subject) -> OrganizationSync:
    """The organization sync in force. Forbidden without the right to read it."""
    return _get(actor, _organization_kind())


def group_sync_get(actor: Subject, organization: Organization) -> GroupSync:
    """The organization's group sync in force. Forbidden without the right to read it."""
    return _get(actor, _group_kind(organization))


def role_sync_get(actor: Subject, organization: Organization) -> RoleSync:
    """The organization's role sync in force. Forbidden without the right to read it."""
    return _get(actor, _role_kind(organization))


def organization_sync_set(
    actor: Subject, change: Callable[[OrganizationSync], OrganizationSync]
) -> OrganizationSync:
    """Store what `change` makes of the setting in force; two changes at once add up."""
    return _set(actor, _organization_kind(), change)


def group_sync_set(
    actor: Subject, organization: Organization, change: Callable[[GroupSync], GroupSync]
) -> GroupSync:
    """Store what `change` makes of the organization's group sync."""
    return _set(actor, _group_kind(organization), change)


def role_sync_set(
    actor: Subject, organization: Organization, change: Callable[[RoleSync], RoleSync]
) -> RoleSync:
    """Store what `change` makes of the organization's role sync. A role that the actor may not hand out
    cannot be newly mapped: that would be a way to it."""
    return _set(actor, _role_kind(organization), change)


def require_sync_right(actor: Subject, action: Action, organization: Organization | None = None) -> None:
    """Forbidden unless the actor may read or update sync settings, of the site or of one organization."""
    org = str(organization.id) if organization is not None else ""
    if not may(actor, action, RbacObject(ResourceType.IDPSYNC_SETTINGS, org=org)):
        raise Forbidden(
            f"You may not {action} the settings of the identity provider's sync.",
            detail="Owners and user admins may; an organization's admins may for their organization.",
        )


def _get(actor: Subject, kind: _Kind[S]) -> S:
    require_sync_right(actor, Action.READ, kind.organization)
    return kind.read()


@transaction.atomic
def _set(actor: Subject, kind: _Kind[S], change: Callable[[S], S]) -> S:
    require_sync_right(actor, Action.UPDATE, kind.organization)
    store.lock(kind.key)
    before = kind.read()
    after = change(before)
    _check_common(after)
    kind.check(actor, before, after)
    old, new = kind.to_json(before), kind.to_json(after)
    if old == new:
        return before
    store.save(kind.key, new)
    record(
        actor=actor,
        action=AuditedAction.WRITE,
        resource_type=kind.audited,
        resource_id=kind.organization.id if kind.organization else "",
        resource_target=kind.organization.name if kind.organization else "",
        organization_id=kind.organization.id if kind.organization else None,
        diff={
            name: {"old": old.get(name), "new": new.get(name), "secret": False}
            for name in {**old, **new}
            if old.get(name) != new.get(name)
        },
    )
    return after


def _check_common(value: OrganizationSync | GroupSync | RoleSync) -> None:
    problems = []
    if len(value.field) > FIELD_LENGTH:
        problems.append(Validation("field", f"may have {FIELD_LENGTH} characters at most"))
    if sum(len(targets) for targets in value.mapping.values()) > MAXIMUM_MAPPED:
        problems.append(Validation("mapping", f"may hold {MAXIMUM_MAPPED} pairs at most"))
    if "" in value.mapping:
        problems.append(Validation("mapping", "a claim value must not be empty"))
    if problems:
        raise Invalid("The sync settings cannot be stored.", validations=problems)


def _check_organizations(actor: Subject, before: OrganizationSync, after: OrganizationSync) -> None:
    wanted = new_targets(before.mapping, after.mapping)
    found = set(Organization.objects.live().filter(id__in=wanted).values_list("id", flat=True))
    _refuse_unknown("organization", wanted - found)


def _check_groups(organization: Organization, before: GroupSync, after: GroupSync) -> None:
    if after.legacy_names and after.legacy_names != before.legacy_names:
        raise Invalid(
            "The legacy mapping of group names cannot be set here.",
            detail='Map claim values to group ids in "mapping" instead.',
            validations=[Validation("legacy_group_name_mapping", "must be empty or left out")],
        )
    if after.regex_filter:
        try:
            re2.compile(after.regex_filter)
        except re2.error as error:
            problem = Validation("regex_filter", f"{error} (RE2)")
            raise Invalid("The filter is no regular expression.", validations=[problem]) from error
    wanted = new_targets(before.mapping, after.mapping)
    found = set(Group.objects.filter(organization=organization, id__in=wanted).values_list("id", flat=True))
    _refuse_unknown("group of this organization", wanted - found)


def _check_roles(actor: Subject, organization: Organization, before: RoleSync, after: RoleSync) -> None:
    added = new_targets(before.mapping, after.mapping)
    names = {plain_role_name(text, organization) for text in added} - IMPLIED_ROLES
    refuse_unknown_roles(names, organization)
    check_hand_out(actor, added=names, organization=organization)


def _refuse_unknown(what: str, ids: Collection[UUID]) -> None:
    if ids:
        raise Invalid(
            f"The mapping names no existing {what}.",
            validations=[Validation("mapping", f"{id_} is no {what}.") for id_ in sorted(map(str, ids))],
        )
