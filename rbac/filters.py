"""Queryset filters compiled from the same policy as `rbac.policy.allowed`.

A list must show exactly the rows on which `authorize` says yes, in SQL, with a constant number of queries.
A test compares filter and `authorize` on every row of random worlds; change both together.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from django.db.models import Q

from rbac.model import LEGAL_ACTIONS, WILDCARD, Action, CompiledRoles, IllegalAction, ResourceType, Subject

EVERYTHING = ~Q(pk__in=[])
"""Matches every row. Not `Q()`: that one vanishes when it is or-ed with something."""
NOTHING = Q(pk__in=[])


@dataclass(frozen=True)
class FieldMap:
    """Where the rows of one queryset keep what the policy asks about (lookup paths of the ORM).

    org, owner: path to the id, or None when these rows have none. org_nullable: some rows have no
    organization. where: which rows of the queryset are of this type (a dormant workspace is another type
    than a workspace). user_acl(user id, action) and group_acl(group ids, action): rows whose access list
    grants the action; the organization condition of group lists is added here.
    """

    type: ResourceType
    id: str = "pk"
    org: str | None = None
    org_nullable: bool = False
    owner: str | None = None
    where: Q | None = None
    user_acl: Callable[[str, Action], Q] | None = None
    group_acl: Callable[[Collection[str], Action], Q] | None = None


def visible_q(actor: Subject, action: Action, *maps: FieldMap) -> Q:
    """The rows on which `actor` may do `action`. Several maps: rows of several types in one queryset.

    Types that do not have the action contribute nothing; when none has it, IllegalAction is raised.
    """
    legal = [fields for fields in maps if action in LEGAL_ACTIONS[fields.type]]
    if not legal:
        raise IllegalAction(action, ", ".join(fields.type for fields in maps))
    parts = []
    for fields in legal:
        part = _both(
            _either(_roles_q(actor.policy, actor, action, fields), _acl_q(actor, action, fields)),
            _scope_q(actor, action, fields),
        )
        parts.append(part if fields.where is None else _both(fields.where, part))
    return _either(*parts)


def _roles_q(policy: CompiledRoles, actor: Subject, action: Action, fields: FieldMap) -> Q:
    site = policy.site.level(fields.type, action)
    if site:
        return EVERYTHING if site > 0 else NOTHING
    return _either(_org_q(policy, action, fields), _own_q(policy, actor, action, fields))


def _org_q(policy: CompiledRoles, action: Action, fields: FieldMap) -> Q:
    if fields.org is None:
        return NOTHING
    granted = [org for org, table in policy.org.items() if table.level(fields.type, action) > 0]
    return Q(**{f"{fields.org}__in": sorted(granted)}) if granted else NOTHING


def _own_q(policy: CompiledRoles, actor: Subject, action: Action, fields: FieldMap) -> Q:
    if fields.owner is None or not actor.id or policy.user.level(fields.type, action) <= 0:
        return NOTHING
    mine = Q(**{fields.owner: actor.id})
    if fields.org is None:
        return mine
    banned = {org for org, table in policy.org.items() if table.level(fields.type, action) < 0}
    where = Q(**{f"{fields.org}__in": sorted(actor.orgs - banned)})
    if fields.org_nullable:
        where |= Q(**{f"{fields.org}__isnull": True})
    return mine & where


def _acl_q(actor: Subject, action: Action, fields: FieldMap) -> Q:
    by_user = by_group = NOTHING
    if fields.user_acl is not None and actor.id:
        by_user = fields.user_acl(actor.id, action)
    if fields.group_acl is not None and fields.org is not None and actor.orgs:
        inside = Q(**{f"{fields.org}__in": sorted(actor.orgs)})
        by_group = _both(inside, fields.group_acl(actor.all_groups, action))
    return _either(by_user, by_group)


def _scope_q(actor: Subject, action: Action, fields: FieldMap) -> Q:
    scope = actor.scope
    ceiling = _roles_q(scope.policy, actor, action, fields)
    if WILDCARD in scope.allow_ids:
        return ceiling
    return _both(ceiling, Q(**{f"{fields.id}__in": sorted(scope.allow_ids)}))


def _either(*parts: Q) -> Q:
    """Logical or that keeps SQL short: EVERYTHING and NOTHING never reach the database."""
    if any(part is EVERYTHING for part in parts):
        return EVERYTHING
    result: Q = NOTHING
    for part in parts:
        if part is not NOTHING:
            result = part if result is NOTHING else result | part
    return result


def _both(left: Q, right: Q) -> Q:
    if left is NOTHING or right is NOTHING:
        return NOTHING
    if left is EVERYTHING:
        return right
    return left if right is EVERYTHING else left & right
