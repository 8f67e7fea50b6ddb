"""Why the policy decides as it does: which role, access list entry or scope said yes or no.

Asks the same questions as `rbac.policy.allowed`, role by role instead of merged, and keeps the answers. A
test compares both on random worlds, so that an explanation can never contradict a decision.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from rbac.model import (
    LEGAL_ACTIONS,
    WILDCARD,
    Action,
    IllegalAction,
    Level,
    Permission,
    RbacObject,
    ResourceType,
    Role,
    Subject,
)
from rbac.policy import allowed, owns
from rbac.prebuilt import WORKSPACE_TYPES, as_prebuilt, workspace_allowed
from rbac.roles import ORG_ROLES, SITE_ROLES, org_role, site_role


class Step(StrEnum):
    """One place where a yes or no can come from, in the order in which they are asked."""

    SITE = "site"
    ORGANIZATION = "organization"
    USER = "user"
    ACCESS_LIST = "access list"
    SCOPE = "scope"


@dataclass(frozen=True)
class Finding:
    """What one step says. `level`: 1 yes, -1 no, 0 nothing. `sources` name the roles or list entries that
    said it (`owner`, `organization-admin:<id>`, `user`, `group <id>`); `why` is set when a step could not
    be asked at all."""

    step: Step
    level: Level
    sources: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True)
class Explanation:
    """The answer to one question, step by step; `decisive` is the step that settled it.

    `fallback` is the same question about the workspace as a prebuild, when the policy asks that too.
    """

    subject: Subject
    action: Action
    object: RbacObject
    allowed: bool
    decisive: Finding
    findings: tuple[Finding, ...]
    fallback: Explanation | None = None

    @property
    def settled_by(self) -> Explanation:
        """The question whose decisive step is the reason: this one, or the fallback that allowed it."""
        return self.fallback if self.fallback is not None and self.fallback.allowed else self


def explain(subject: Subject, action: Action, obj: RbacObject) -> Explanation:
    """Why `subject` may or may not do `action` on `obj`; workspaces are asked "workspace, then prebuilt"
    (section 3.2). An action that the type does not have raises IllegalAction."""
    first = _explain(subject, action, obj)
    if first.allowed or obj.type not in WORKSPACE_TYPES:
        return first
    prebuilt = as_prebuilt(obj, action)
    if prebuilt is None:
        return first
    second = _explain(subject, action, prebuilt)
    return replace(first, allowed=second.allowed, fallback=second)


def _explain(subject: Subject, action: Action, obj: RbacObject) -> Explanation:
    if action not in LEGAL_ACTIONS[obj.type]:
        raise IllegalAction(action, obj.type)
    levels = _levels(subject.roles, subject, action, obj)
    access, scope = _access_list(subject, action, obj), _scope(subject, action, obj)
    by_roles = next((finding for finding in levels if finding.level), None)
    if by_roles is not None and by_roles.level > 0:
        decisive = by_roles
    elif access.level > 0:
        decisive = access
    else:
        decisive = by_roles or Finding(Step.SITE, 0)
    if decisive.level > 0 and scope.level < 0:
        decisive = scope
    return Explanation(subject, action, obj, decisive.level > 0, decisive, (*levels, access, scope))


def _levels(
    roles: Sequence[Role], subject: Subject, action: Action, obj: RbacObject
) -> tuple[Finding, Finding, Finding]:
    """What the roles say at the site, organization and user level."""
    return (
        _level(Step.SITE, ((role, role.site) for role in roles), action, obj),
        _organization(roles, action, obj),
        _user(roles, subject, action, obj),
    )


def _level(
    step: Step, held: Iterable[tuple[Role, Sequence[Permission]]], action: Action, obj: RbacObject
) -> Finding:
    """A ban beats a grant of the same level; the roles named are those of the winning side."""
    grants: list[str] = []
    bans: list[str] = []
    for role, permissions in held:
        matching = [p for p in permissions if _matches(p, action, obj.type)]
        if any(p.negate for p in matching):
            bans.append(role.identifier)
        if any(not p.negate for p in matching):
            grants.append(role.identifier)
    if bans:
        return Finding(step, -1, _names(bans))
    return Finding(step, 1, _names(grants)) if grants else Finding(step, 0)


def _matches(permission: Permission, action: Action, type_: ResourceType) -> bool:
    return permission.resource_type in (WILDCARD, type_) and permission.action in (WILDCARD, action)


def _names(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found))


def _organization(roles: Sequence[Role], action: Action, obj: RbacObject) -> Finding:
    orgs = {org for role in roles for org in role.org}
    asked = sorted(orgs) if obj.any_org else [obj.org] if obj.org in orgs else []
    if not obj.org and not obj.any_org:
        return Finding(Step.ORGANIZATION, 0, why="the object belongs to no organization")
    if not asked:
        return Finding(Step.ORGANIZATION, 0, why="not a member of the object's organization")
    each = [
        _level(Step.ORGANIZATION, ((r, r.org[org]) for r in roles if org in r.org), action, obj)
        for org in asked
    ]
    # Of any organization the best one decides.
    return max(each, key=lambda finding: finding.level)


def _user(roles: Sequence[Role], subject: Subject, action: Action, obj: RbacObject) -> Finding:
    if not owns(subject, obj):
        mine = bool(subject.id) and obj.owner == subject.id
        why = "the owner is not a member of its organization" if mine else "not the owner of the object"
        return Finding(Step.USER, 0, why=why)
    return _level(Step.USER, ((role, role.user) for role in roles), action, obj)


def _access_list(subject: Subject, action: Action, obj: RbacObject) -> Finding:
    wanted = {str(action), WILDCARD}
    sources = ["user"] if wanted & set(obj.acl_users.get(subject.id, ())) else []
    if obj.org in subject.orgs:
        held = sorted(set(obj.acl_groups) & subject.all_groups)
        sources += [f"group {group}" for group in held if wanted & set(obj.acl_groups[group])]
    if sources:
        return Finding(Step.ACCESS_LIST, 1, tuple(sources))
    empty = not obj.acl_users and not obj.acl_groups
    return Finding(Step.ACCESS_LIST, 0, why="no access list" if empty else "no entry grants it")


def _scope(subject: Subject, action: Action, obj: RbacObject) -> Finding:
    scope = subject.scope
    name = scope.role.name
    if WILDCARD not in scope.allow_ids and obj.id not in scope.allow_ids:
        return Finding(Step.SCOPE, -1, (name,), why="the token is limited to other objects")
    found = next((f for f in _levels((scope.role,), subject, action, obj) if f.level), None)
    if found is not None and found.level > 0:
        return Finding(Step.SCOPE, 1, (name,))
    return Finding(Step.SCOPE, -1, (name,), why="the token's scope does not include the action")


def roles_that_allow(subject: Subject, action: Action, obj: RbacObject) -> list[str]:
    """Built-in roles any one of which would let the subject do it, were it added to what is held."""
    candidates = [site_role(name) for name in SITE_ROLES]
    candidates += [org_role(name, obj.org) for name in ORG_ROLES if obj.org]
    ask = workspace_allowed if obj.type in WORKSPACE_TYPES else allowed
    return [
        role.identifier
        for role in candidates
        if ask(replace(subject, roles=(*subject.roles, role)), action, obj)
    ]


def sentence(explanation: Explanation) -> str:
    """The reason in one sentence without the subject: "granted by the role owner at the site level"."""
    found = explanation.settled_by.decisive
    suffix = " (asked as a prebuilt workspace)" if explanation.settled_by is explanation.fallback else ""
    if found.level == 0:
        return "nothing grants it"
    named = " and ".join(found.sources)
    match found.step:
        case Step.SCOPE:
            return f"{found.why} ({named})"
        case Step.ACCESS_LIST:
            return f"granted by the access list: {named}{suffix}"
    verb = "granted" if found.level > 0 else "banned"
    noun = "role" if len(found.sources) == 1 else "roles"
    return f"{verb} by the {noun} {named} at the {found.step} level{suffix}"
