"""Random subjects and objects, small enough that grants and bans meet."""

from __future__ import annotations

from hypothesis import strategies as st

from rbac import Action, Permission, RbacObject, ResourceType, Role, Scope, Subject

TYPES = [ResourceType.WORKSPACE, ResourceType.TEMPLATE, ResourceType.FILE]
ACTIONS = [Action.READ, Action.CREATE]
ORGS = ["o1", "o2"]

permissions = st.builds(
    Permission,
    resource_type=st.sampled_from([*TYPES, "*"]),
    action=st.sampled_from([*ACTIONS, "*"]),
    negate=st.booleans(),
)
permission_sets = st.lists(permissions, max_size=3).map(tuple)
roles = st.builds(
    Role,
    name=st.just("role"),
    site=permission_sets,
    org=st.dictionaries(st.sampled_from(ORGS), permission_sets, max_size=1),
    user=permission_sets,
)
acls = st.dictionaries(
    st.sampled_from(["me", "g1", "o1"]), st.sampled_from([["read"], ["*"], []]), max_size=2
)
objects = st.builds(
    RbacObject,
    type=st.sampled_from(TYPES),
    id=st.sampled_from(["a", "b"]),
    org=st.sampled_from(["", *ORGS]),
    owner=st.sampled_from(["", "me", "you"]),
    acl_users=acls,
    acl_groups=acls,
    any_org=st.sampled_from([False, False, True]),
)
actions = st.sampled_from(ACTIONS)
subjects = st.builds(
    Subject,
    id=st.just("me"),
    roles=st.lists(roles, max_size=4).map(tuple),
    groups=st.frozensets(st.sampled_from(["g1", "g2"])),
    scope=st.builds(Scope, role=roles, allow_ids=st.frozensets(st.sampled_from(["a", "*"])))
    | st.just(Scope(Role("all", site=(Permission("*", "*"),)))),
)
