"""Levels, bans, access lists, scopes (section 1.4): examples, and worlds made by hypothesis that compare the
quick evaluation with the sentence of the reference written out slowly."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

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

ORG, ME = "org-1", "me"
TEMPLATE = RbacObject(ResourceType.TEMPLATE, id="t", org=ORG)


def person(*roles: Role, groups: frozenset[str] = frozenset()) -> Subject:
    return Subject(ME, "me", (site_role("member"), *roles), groups)


def test_anonymous_and_empty_owner_get_nothing() -> None:
    for type_, actions in LEGAL_ACTIONS.items():
        for action in actions:
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

_TYPES = [ResourceType.WORKSPACE, ResourceType.TEMPLATE, ResourceType.FILE]
_ACTIONS = [Action.READ, Action.CREATE]
_ORGS = ["o1", "o2"]

permissions = st.builds(
    Permission,
    resource_type=st.sampled_from([*_TYPES, "*"]),
    action=st.sampled_from([*_ACTIONS, "*"]),
    negate=st.booleans(),
)
permission_sets = st.lists(permissions, max_size=3).map(tuple)
roles = st.builds(
    Role,
    name=st.just("role"),
    site=permission_sets,
    org=st.dictionaries(st.sampled_from(_ORGS), permission_sets, max_size=1),
    user=permission_sets,
)
acls = st.dictionaries(
    st.sampled_from(["me", "g1", "o1"]), st.sampled_from([["read"], ["*"], []]), max_size=2
)
objects = st.builds(
    RbacObject,
    type=st.sampled_from(_TYPES),
    id=st.sampled_from(["a", "b"]),
    org=st.sampled_from(["", *_ORGS]),
    owner=st.sampled_from(["", "me", "you"]),
    acl_users=acls,
    acl_groups=acls,
)
subjects = st.builds(
    Subject,
    id=st.just("me"),
    roles=st.lists(roles, max_size=4).map(tuple),
    groups=st.frozensets(st.sampled_from(["g1", "g2"])),
    scope=st.builds(Scope, role=roles, allow_ids=st.frozensets(st.sampled_from(["a", "*"])))
    | st.just(Scope(Role("all", site=(Permission("*", "*"),)))),
)


def slow_level(perms: list[Permission], action: Action, type_: ResourceType) -> int:
    matching = [p for p in perms if p.resource_type in ("*", type_) and p.action in ("*", action)]
    if any(p.negate for p in matching):
        return -1
    return 1 if matching else 0


def slow_roles(held: tuple[Role, ...], who: Subject, action: Action, obj: RbacObject) -> bool:
    """Section 1.4's formula as it is written, level by level."""
    member_of = {o for r in who.roles for o in r.org}
    site = slow_level([p for r in held for p in r.site], action, obj.type)
    org = slow_level([p for r in held for p in r.org.get(obj.org, ())], action, obj.type) if obj.org else 0
    user = 0
    if obj.owner == who.id and (not obj.org or obj.org in member_of):
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


@given(who=subjects, obj=objects, action=st.sampled_from(_ACTIONS))
def test_evaluation_equals_the_written_formula(who: Subject, obj: RbacObject, action: Action) -> None:
    assert allowed(who, action, obj) is slow_allowed(who, action, obj)


@given(who=subjects, obj=objects, action=st.sampled_from(_ACTIONS), extra=permissions)
def test_a_site_ban_never_widens_what_roles_give(
    who: Subject, obj: RbacObject, action: Action, extra: Permission
) -> None:
    ban = Role("ban", site=(Permission(extra.resource_type, extra.action, negate=True),))
    more = replace(who, roles=(*who.roles, ban))
    assert not (allowed(more, action, obj) and not allowed(who, action, obj))
