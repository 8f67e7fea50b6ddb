"""From claims to changes: pure rules, and what must hold for any claims and settings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coder_admin.organizations.idp.claims import ClaimError, list_claim, merge_claims
from coder_admin.organizations.idp.config import (
    GroupSync,
    OrganizationSync,
    RoleSync,
    SiteRoleSync,
    group_sync_from,
    group_sync_json,
    organization_sync_from,
    organization_sync_json,
    role_sync_from,
    role_sync_json,
    with_pairs,
)
from coder_admin.organizations.idp.plan import (
    GroupChange,
    Membership,
    Place,
    Plan,
    RoleChange,
    World,
    make_plan,
)

A, B, D = (UUID(int=number) for number in (1, 2, 3))
G, H, K = (UUID(int=number) for number in (11, 12, 13))


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (None, ()),
        ("", ()),
        ("one", ("one",)),
        ("two words", ("two words",)),
        ([], ()),
        (["a", "b", "a"], ("a", "b")),
        (("a",), ("a",)),
    ],
)
def test_claim_as_a_list(value: object, read: tuple[str, ...]) -> None:
    assert list_claim({"x": value}, "x") == read
    assert list_claim({}, "x") == ()


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("a,b", "one text with commas"),
        (7, "a number"),
        (True, "a boolean"),
        ({"a": 1}, "an object"),
        (["a", 7], "element 1 is a number"),
        ([["a"]], "element 0 is a list"),
        (["a", None], "element 1 is null"),
    ],
)
def test_claim_of_a_wrong_type_says_what_was_sent(value: object, says: str) -> None:
    with pytest.raises(ClaimError, match=says):
        list_claim({"orgs": value}, "orgs")


def test_userinfo_wins_over_the_token() -> None:
    assert merge_claims({"a": 1, "b": 1}, {"b": 2}) == {"a": 1, "b": 2}


def place(id_: UUID, **fields: Any) -> Place:
    return Place(id=id_, name=f"org-{id_.int}", **fields)


def world(**fields: Any) -> World:
    places = fields.pop("places", (place(A), place(B), place(D, is_default=True)))
    return World(places={one.id: one for one in places}, **fields)


SYNC = OrganizationSync("orgs", {"a": (A,), "b": (B,), "ab": (A, B)}, assign_default=False)


def test_organizations_follow_the_claim_wholly() -> None:
    here = world(memberships={B: Membership(), D: Membership()}, organization_sync=SYNC)
    plan = make_plan({"orgs": ["a", "nobody-knows"]}, here)
    assert (plan.join, plan.leave) == ((A,), (B, D))
    assert [note.text for note in plan.notes] == [
        '"nobody-knows" in "orgs" is not mapped to an organization.'
    ]


@pytest.mark.parametrize("claims", [{}, {"orgs": []}, {"orgs": ""}, {"orgs": None}])
def test_empty_claim_removes_everything_and_not_nothing(claims: dict[str, Any]) -> None:
    here = world(memberships={A: Membership(), D: Membership()}, organization_sync=SYNC)
    assert make_plan(claims, here) == Plan(leave=(A, D))
    kept = replace(here, organization_sync=replace(SYNC, assign_default=True))
    assert make_plan(claims, kept) == Plan(leave=(A,))


def test_deleted_organizations_are_left_and_never_joined() -> None:
    here = world(
        places=(place(A, deleted=True), place(B, deleted=True), place(D, is_default=True)),
        memberships={B: Membership()},
        organization_sync=SYNC,
    )
    plan = make_plan({"orgs": ["ab"]}, here)
    assert (plan.join, plan.leave) == ((), (B,))
    assert len(plan.notes) == 2
    gone = replace(SYNC, mapping={"a": (UUID(int=99),)})
    assert make_plan({"orgs": "a"}, world(organization_sync=gone)).join == ()


def test_sync_that_is_off_changes_no_membership_but_starts_new_people_somewhere() -> None:
    off = OrganizationSync(field="", mapping={"a": (A,)}, assign_default=True)
    assert make_plan({"orgs": ["a"]}, world(memberships={B: Membership()}, organization_sync=off)).is_empty
    assert make_plan({}, world(organization_sync=off, is_new=True)).join == (D,)
    assert make_plan({}, world(organization_sync=replace(off, assign_default=False), is_new=True)).is_empty


GROUPS = {G: "devs", H: "ops"}


def groups_plan(values: object, sync: GroupSync, *held: UUID) -> Plan:
    here = world(
        places=(place(A, groups=GROUPS, group_sync=sync),),
        memberships={A: Membership(groups=frozenset(held))},
    )
    return make_plan({"groups": values}, here)


def test_groups_by_name_by_mapping_and_by_legacy_name() -> None:
    sync = GroupSync("groups", {"eng": (G,)}, legacy_names={"old": "eng"})
    assert groups_plan(["old", "OPS"], sync).groups == (GroupChange(A, join=(G, H)),)
    assert groups_plan([], sync, G, H).groups == (GroupChange(A, leave=(G, H)),)
    assert groups_plan(["eng"], sync, G).is_empty


def test_filter_comes_after_the_legacy_name_and_before_the_mapping() -> None:
    sync = GroupSync("groups", {"eng": (G,)}, regex_filter="^eng$", legacy_names={"old": "eng"})
    assert groups_plan(["old"], sync).groups == (GroupChange(A, join=(G,)),)
    plan = groups_plan(["ops"], sync)
    assert plan.is_empty
    assert "does not pass the filter" in plan.notes[0].text


def test_missing_groups_are_made_only_when_asked_and_only_with_good_names() -> None:
    names = ["new", "NEW", "Everyone", "x" * 65, " padded ", "two words"]
    plan = groups_plan(names, GroupSync("groups", auto_create=True))
    assert plan.groups == (GroupChange(A, create=("new", "two words")),)
    assert len(plan.notes) == 2
    assert groups_plan(["new"], GroupSync("groups")).is_empty


def test_mapping_to_another_organizations_group_is_ignored() -> None:
    plan = groups_plan(["x"], GroupSync("groups", {"x": (K, A)}))
    assert plan.is_empty
    assert "not in org-1" in plan.notes[0].text


def test_legacy_names_in_a_circle_are_looked_up_once() -> None:
    sync = GroupSync("groups", legacy_names={"devs": "ops", "ops": "devs"})
    assert groups_plan(["devs"], sync).groups == (GroupChange(A, join=(H,)),)
    assert groups_plan(["devs"], sync, H).is_empty


def test_bad_group_claim_concerns_that_organization_only() -> None:
    here = world(
        places=(
            place(A, groups=GROUPS, group_sync=GroupSync("bad")),
            place(B, groups={K: "devs"}, group_sync=GroupSync("good")),
        ),
        memberships={A: Membership(groups=frozenset({G})), B: Membership()},
    )
    plan = make_plan({"bad": 7, "good": ["devs"]}, here)
    assert plan.groups == (GroupChange(B, join=(K,)),)
    assert "stay as they are" in plan.notes[0].text


def roles_plan(claims: dict[str, Any], sync: RoleSync, *held: str) -> Plan:
    here = world(
        places=(place(A, custom_roles=frozenset({"cleaner"}), role_sync=sync),),
        memberships={A: Membership(roles=held)},
    )
    return make_plan(claims, here)


def test_roles_are_mapped_or_named_and_unknown_ones_dropped() -> None:
    sync = RoleSync("roles", {"lead": ("organization-admin", "cleaner"), "none": ()})
    claims = {"roles": ["lead", "organization-auditor", "owner", "organization-member", "none"]}
    after = ("organization-admin", "cleaner", "organization-auditor")
    assert roles_plan(claims, sync).roles == (RoleChange(A, (), after),)
    assert roles_plan(claims, sync, *reversed(after), "organization-member").is_empty
    assert [note.text for note in roles_plan(claims, sync).notes] == ['"owner" is no role of org-1.']


@pytest.mark.parametrize("claims", [{}, {"roles": []}, {"roles": 5}, {"roles": "a,b"}])
def test_roles_without_a_readable_claim_are_taken_away(claims: dict[str, Any]) -> None:
    assert roles_plan(claims, RoleSync("roles"), "cleaner").roles == (RoleChange(A, ("cleaner",), ()),)


def test_site_roles_are_built_in_ones_only_and_a_bad_claim_stops_all() -> None:
    sync = SiteRoleSync("site", {"ops": ("owner",)}, default=("auditor",))
    here = world(site_role_sync=sync, site_roles=("user-admin",))
    plan = make_plan({"site": ["ops", "organization-admin", "member", "custom"]}, here)
    assert plan.roles == (RoleChange(None, ("user-admin",), ("auditor", "owner")),)
    with pytest.raises(ClaimError):
        make_plan({"site": 1}, here)


def test_the_last_owner_stays_one_whatever_the_claims_say() -> None:
    sync = SiteRoleSync("site")
    here = world(site_role_sync=sync, site_roles=("owner", "auditor"), is_last_owner=True)
    plan = make_plan({"site": ["user-admin"]}, here)
    assert plan.roles == (RoleChange(None, ("owner", "auditor"), ("user-admin", "owner")),)
    assert plan.keeps_owner
    assert not make_plan({"site": ["owner"]}, here).keeps_owner
    with_others = make_plan({}, replace(here, is_last_owner=False))
    assert (with_others.roles[0].after, with_others.keeps_owner) == ((), False)


def test_groups_and_roles_of_an_organization_just_joined_are_planned_too() -> None:
    joined = place(A, groups=GROUPS, group_sync=GroupSync("groups"), role_sync=RoleSync("roles"))
    here = world(places=(joined, place(D, is_default=True)), organization_sync=SYNC)
    plan = make_plan({"orgs": "a", "groups": "devs", "roles": "organization-admin"}, here)
    assert (plan.join, plan.groups[0].join, plan.roles[0].after) == ((A,), (G,), ("organization-admin",))


# --- for any claims and settings --------------------------------------------------------------------------

patient = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
words = st.sampled_from(["a", "b", "ab", "devs", "ops", "new", "organization-admin", "cleaner", "x", ""])
values = st.one_of(st.lists(words, max_size=5), words, st.none(), st.integers(), st.just("a,b"))
all_claims = st.fixed_dictionaries({}, optional=dict.fromkeys(("orgs", "groups", "roles", "site"), values))


def mapping_of(targets: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.dictionaries(words.filter(bool), st.lists(targets, max_size=2).map(tuple), max_size=3)


ids = st.sampled_from([A, B, D])
group_syncs = st.builds(
    GroupSync,
    field=st.sampled_from(["", "groups", "orgs"]),
    mapping=mapping_of(st.sampled_from([G, H, K])),
    regex_filter=st.sampled_from(["", "^d", "."]),
    auto_create=st.booleans(),
    legacy_names=st.dictionaries(words.filter(bool), words.filter(bool), max_size=2),
)
role_syncs = st.builds(
    RoleSync, field=st.sampled_from(["", "roles", "orgs"]), mapping=mapping_of(words.filter(bool))
)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    places = {
        id_: Place(
            id=id_,
            name=f"org-{id_.int}",
            is_default=id_ == D,
            deleted=id_ != D and draw(st.booleans()),
            groups={G: "devs", H: "ops"} if id_ == A else {K: "devs"},
            custom_roles=frozenset({"cleaner"}),
            group_sync=draw(group_syncs),
            role_sync=draw(role_syncs),
        )
        for id_ in (A, B, D)
    }
    memberships = {
        id_: Membership(
            tuple(draw(st.sets(st.sampled_from(["organization-admin", "cleaner"])))),
            frozenset(draw(st.sets(st.sampled_from(sorted(places[id_].groups))))),
        )
        for id_ in draw(st.sets(ids))
    }
    return World(
        places=places,
        memberships=memberships,
        site_roles=tuple(draw(st.sets(st.sampled_from(["owner", "auditor"])))),
        is_last_owner=draw(st.booleans()),
        organization_sync=OrganizationSync(
            draw(st.sampled_from(["", "orgs"])), draw(mapping_of(ids)), draw(st.booleans())
        ),
        site_role_sync=SiteRoleSync(
            draw(st.sampled_from(["", "site"])), draw(mapping_of(words)), ("auditor",)
        ),
        is_new=draw(st.booleans()),
    )


def after(here: World, plan: Plan) -> World:
    """The world once the plan is carried out."""
    places = dict(here.places)
    memberships = {id_: held for id_, held in here.memberships.items() if id_ not in plan.leave}
    memberships |= {id_: Membership() for id_ in plan.join}
    number = 1000
    for change in plan.groups:
        made = {}
        for name in change.create:
            number += 1
            made[UUID(int=number)] = name
        org = change.organization_id
        places[org] = replace(places[org], groups={**places[org].groups, **made})
        held = memberships[org]
        groups = (held.groups | set(change.join) | set(made)) - set(change.leave)
        memberships[org] = replace(held, groups=frozenset(groups))
    site = here.site_roles
    for role in plan.roles:
        if role.organization_id is None:
            site = role.after
        else:
            memberships[role.organization_id] = replace(memberships[role.organization_id], roles=role.after)
    return replace(here, places=places, memberships=memberships, site_roles=site, is_new=False)


@patient
@given(claims=all_claims, here=worlds())
def test_second_login_changes_nothing(claims: dict[str, Any], here: World) -> None:
    try:
        plan = make_plan(claims, here)
    except ClaimError:
        return
    assert make_plan(claims, after(here, plan)).is_empty


@patient
@given(claims=all_claims, here=worlds())
def test_plan_stays_within_live_organizations_and_their_groups(claims: dict[str, Any], here: World) -> None:
    try:
        plan = make_plan(claims, here)
    except ClaimError:
        return
    assert not set(plan.join) & set(here.memberships)
    assert set(plan.leave) <= set(here.memberships)
    assert not any(here.places[id_].deleted for id_ in plan.join)
    remaining = (set(here.memberships) | set(plan.join)) - set(plan.leave)
    for change in plan.groups:
        assert change.organization_id in remaining
        assert {*change.join, *change.leave} <= set(here.places[change.organization_id].groups)
    for role in plan.roles:
        assert role.organization_id is None or role.organization_id in remaining
        assert not set(role.after) & {"organization-member", "member"}


@given(
    organization=st.builds(OrganizationSync, field=words, mapping=mapping_of(ids)),
    group=group_syncs,
    role=role_syncs,
)
def test_settings_survive_their_json(organization: Any, group: GroupSync, role: RoleSync) -> None:
    assert organization_sync_from(organization_sync_json(organization)) == organization
    assert group_sync_from(group_sync_json(group)) == group
    assert role_sync_from(role_sync_json(role)) == role


def test_older_json_is_understood_and_broken_ids_are_left_out() -> None:
    read = organization_sync_from({"field": "o", "mapping": {"a": [str(A), "x"]}, "AssignDefault": False})
    assert read == OrganizationSync("o", {"a": (A,)}, assign_default=False)
    assert organization_sync_from({}).assign_default


def test_pairs_are_removed_before_they_are_added() -> None:
    before = {"a": (A, B), "b": (B,)}
    changed = with_pairs(before, add=[("c", A), ("a", B)], remove=[("a", B), ("b", B), ("z", A)])
    assert changed == {"a": (A, B), "c": (A,)}
