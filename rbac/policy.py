"""The one decision: may this subject do this action on this object?

Levels, bans and access lists as in reference/rbac-and-organizations.md, section 1.4: the site level
beats the organization level, which beats the user level; on one level a ban beats a grant; the access
list is a second way in that a ban does not close; the scope is a ceiling over both.
"""

from collections.abc import Collection

from rbac.model import (
    LEGAL_ACTIONS,
    WILDCARD,
    Action,
    CompiledRoles,
    IllegalAction,
    Level,
    RbacObject,
    Subject,
)


class Denied(Exception):
    """The subject may not do this. Callers show it as 404 or 403, never with this text."""

    def __init__(self, subject: Subject, action: Action, obj: RbacObject) -> None:
        self.subject = subject
        self.action = action
        self.object = obj
        super().__init__(
            f"{subject.username or subject.id or 'nobody'} may not {action} {obj.type} {obj.id or '(any)'}"
        )


def allowed(subject: Subject, action: Action, obj: RbacObject) -> bool:
    """Whether `subject` may do `action` on `obj`; an action the type does not have raises IllegalAction."""
    if action not in LEGAL_ACTIONS[obj.type]:
        raise IllegalAction(action, obj.type)
    return (
        _roles_allow(subject.policy, subject, action, obj) or _acl_allows(subject, action, obj)
    ) and _scope_allows(subject, action, obj)


def authorize(subject: Subject, action: Action, obj: RbacObject) -> None:
    """Return in silence when `allowed`, else raise Denied."""
    if not allowed(subject, action, obj):
        raise Denied(subject, action, obj)


def _roles_allow(policy: CompiledRoles, subject: Subject, action: Action, obj: RbacObject) -> bool:
    site = policy.site.level(obj.type, action)
    if site:
        return site > 0
    org = _org_level(policy, action, obj)
    if org:
        return org > 0
    return owns(subject, obj) and policy.user.level(obj.type, action) > 0


def _org_level(policy: CompiledRoles, action: Action, obj: RbacObject) -> Level:
    if obj.any_org:
        # The best organization decides: a grant in one of them is enough.
        return max((table.level(obj.type, action) for table in policy.org.values()), default=0)
    table = policy.org.get(obj.org) if obj.org else None
    return table.level(obj.type, action) if table is not None else 0


def owns(subject: Subject, obj: RbacObject) -> bool:
    """Whether the user level counts: an owner loses the object with the membership of its organization."""
    if not subject.id or obj.owner != subject.id:
        return False
    if obj.any_org:
        return bool(subject.orgs)
    return not obj.org or obj.org in subject.orgs


def _acl_allows(subject: Subject, action: Action, obj: RbacObject) -> bool:
    if obj.acl_users and _grants(obj.acl_users.get(subject.id, ()), action):
        return True
    if not obj.acl_groups or obj.org not in subject.orgs:
        return False
    return any(
        _grants(actions, action) for group, actions in obj.acl_groups.items() if group in subject.all_groups
    )


def _grants(actions: Collection[str], action: Action) -> bool:
    return action in actions or WILDCARD in actions


def _scope_allows(subject: Subject, action: Action, obj: RbacObject) -> bool:
    scope = subject.scope
    if WILDCARD not in scope.allow_ids and obj.id not in scope.allow_ids:
        return False
    return _roles_allow(scope.policy, subject, action, obj)
