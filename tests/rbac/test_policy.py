"""Levels, bans, access lists, scopes (section 1.4): examples, and worlds made by hypothesis that compare the
quick evaluation with the sentence of the reference written out slowly."""

from dataclasses import replace

import pytest
from hypothesis import given

from rbac import (
    ANONYMOUS,
    Action,
    Denied,
    Permission,
    RbacObject,
    ResourceType,
    Role,
    Scope,
    Subject,
    allowed,
    authorize,
)
from rbac.model import LEGAL_ACTIONS, SCOPE_APPLICATION_CONNECT
from rbac.roles import bans, grants, org_role, site_role
from tests.rbac.strategies import actions, objects, permissions, subjects

ORG, ME = "org-1", "me"
TEMPLATE = RbacObject(ResourceType.TEMPLATE, id="t", org=ORG)


def person(*roles: Role, groups: frozenset[str] = frozenset()) -> Subject:
    return Subject(ME, "me", (site_role("member"), *roles), groups)


def test_anonymous_and_empty_owner_get_nothing() -> None:
    for type_, legal in LEGAL_ACTIONS.items():
        for action in legal:
            assert not allowed(ANONYMOUS, action, RbacObject(type_))
    nobody_with_role = Subject(id="", roles=(site_role("member"),))
    assert not allowed(nobody_with_role, Action.READ, RbacObject(ResourceType.WORKSPACE))


def test_site_ban_beats_organization_and_user_grants_but_not_the_access_list() -> None:
    who = person(org_role("organization-admin", ORG), Role("banned", site=bans(template="read")))
    assert not allowed(who, Action.READ, TEMPLATE)
    assert allowed(who, Action.UPDATE, TEMPLATE)
    assert allowed(who, Action.READ, replace(TEMPLATE, acl_users={ME: ["read"]}))


def test_group_access_list_needs_membership_of_the_objects_organization() -> None:
    shared = replace(TEMPLATE, acl_groups={"devs": ["read", "use"]})
    inside = person(org_role("organization-member", ORG), groups=frozenset({"devs"}))
    outside = person(org_role("organization-member", "org-2"), groups=frozenset({"devs"}))
    assert allowed(inside, Action.USE, shared)
    assert not allowed(inside, Action.UPDATE, shared)
    assert not allowed(outside, Action.USE, shared)


def test_everyone_group_is_the_organizations_id_and_needs_no_listing() -> None:
    everyone = replace(TEMPLATE, acl_groups={ORG: ["*"]})
    assert allowed(person(Role("r", org={ORG: ()})), Action.DELETE, everyone)
    assert not allowed(person(), Action.READ, everyone)


def test_scope_is_a_ceiling_by_action_and_by_id() -> None:
    boss = Subject(ME, roles=(site_role("owner"),))
    ws = RbacObject(ResourceType.WORKSPACE, id="w", org=ORG)
    only_apps = replace(boss, scope=SCOPE_APPLICATION_CONNECT)
    assert allowed(only_apps, Action.APPLICATION_CONNECT, ws)
    assert not allowed(only_apps, Action.READ, ws)
    named = replace(boss, scope=Scope(Role("s", site=(Permission("*", "*"),)), allow_ids=frozenset({"w"})))
    assert allowed(named, Action.READ, ws)
    assert not allowed(named, Action.READ, replace(ws, id="other"))
    assert not allowed(named, Action.CREATE, replace(ws, id=""))


def test_scope_bounds_the_access_list_too() -> None:
    listed = replace(TEMPLATE, acl_users={ME: ["*"]})
    reader = Scope(Role("read only", site=grants(template="read")))
    assert allowed(replace(person(), scope=reader), Action.READ, listed)
    assert not allowed(replace(person(), scope=reader), Action.UPDATE, listed)


def test_any_org_asks_for_one_organization_that_grants() -> None:
    anywhere = RbacObject(ResourceType.TEMPLATE, any_org=True)
    assert allowed(person(org_role("organization-admin", ORG)), Action.CREATE, anywhere)
    assert not allowed(person(org_role("organization-member", ORG)), Action.CREATE, anywhere)


def test_authorize_raises_with_all_facts() -> None:
    with pytest.raises(Denied) as caught:
        authorize(person(), Action.READ, TEMPLATE)
    assert (caught.value.action, caught.value.object) == (Action.READ, TEMPLATE)
    assert "me may not read template t" in str(caught.value)


# --- worlds ------------------------------------------------------------------------------------------


def slow_level(perms: list[Permission], action: Action, type_: ResourceType) -> int:
    matching = [p for p in perms if p.resource_type in ("*", type_) and p.action in ("*", action)]
    if any(p.negate for p in matching):
        return -1
    return 1 if matching else 0


def slow_roles(held: tuple[Role, ...], who: Subject, action: Action, obj: RbacObject) -> bool:
    """Section 1.4's formula as it is written, level by level."""
    member_of = {o for r in who.roles for o in r.org}
    site = slow_level([p for r in held for p in r.site], action, obj.type)
    here = {o for r in held for o in r.org} if obj.any_org else {obj.org} - {""}
    by_org = [slow_level([p for r in held for p in r.org.get(o, ())], action, obj.type) for o in here]
    org = max(by_org, default=0)
    user = 0
    if obj.owner == who.id and (bool(member_of) if obj.any_org else not obj.org or obj.org in member_of):
        user = slow_level([p for r in held for p in r.user], action, obj.type)
    return site == 1 or (site != -1 and org == 1) or (site != -1 and org != -1 and user == 1)


def slow_allowed(who: Subject, action: Action, obj: RbacObject) -> bool:
    member_of = {o for r in who.roles for o in r.org}
    lists = [obj.acl_users.get(who.id, [])]
    if obj.org in member_of:
        lists += [obj.acl_groups.get(g, []) for g in {*who.groups, *member_of}]
    acl = any(action in granted or "*" in granted for granted in lists)
    in_scope = "*" in who.scope.allow_ids or obj.id in who.scope.allow_ids
    return (
        (slow_roles(who.roles, who, action, obj) or acl)
        and in_scope
        and slow_roles((who.scope.role,), who, action, obj)
    )


@given(who=subjects, obj=objects, action=actions)
def test_evaluation_equals_the_written_formula(who: Subject, obj: RbacObject, action: Action) -> None:
    assert allowed(who, action, obj) is slow_allowed(who, action, obj)


@given(who=subjects, obj=objects, action=actions, extra=permissions)
def test_a_site_ban_never_widens_what_roles_give(
    who: Subject, obj: RbacObject, action: Action, extra: Permission
) -> None:
    ban = Role("ban", site=(Permission(extra.resource_type, extra.action, negate=True),))
    more = replace(who, roles=(*who.roles, ban))
    assert not (allowed(more, action, obj) and not allowed(who, action, obj))
