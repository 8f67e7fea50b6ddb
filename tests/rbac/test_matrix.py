"""Every built-in role x resource type x legal action, at every level, against the table of the reference."""

import pytest

from rbac import Action, IllegalAction, Permission, RbacObject, ResourceType, Role, Subject, allowed
from rbac.model import LEGAL_ACTIONS
from rbac.roles import org_role, site_role
from tests.rbac import matrix

ORG, OTHER_ORG, ME, STRANGER = "org-1", "org-2", "me", "stranger"


def cell(table: dict[str, dict[str, str]], role: str, type_: str) -> set[str]:
    words = table.get(role, {}).get(type_, "").split()
    return set(LEGAL_ACTIONS[ResourceType(type_)]) if words == ["*"] else set(words)


def subject(role: Role, *, member: bool = False) -> Subject:
    membership = (Role("membership", org={ORG: ()}),) if member else ()
    return Subject(ME, "me", (role, *membership))


def granted(who: Subject, type_: str, **fields: str) -> set[str]:
    obj = RbacObject(ResourceType(type_), id="thing", **fields)  # type: ignore[arg-type]
    return {str(a) for a in LEGAL_ACTIONS[obj.type] if allowed(who, a, obj)}


@pytest.mark.parametrize("type_", list(ResourceType))
@pytest.mark.parametrize("role", matrix.SITE_ROLES)
def test_site_role_grants_on_foreign_and_own_objects_what_the_table_says(role: str, type_: str) -> None:
    site = cell(matrix.SITE, role, type_)
    own = site | cell(matrix.USER, role, type_)
    who, inside = subject(site_role(role)), subject(site_role(role), member=True)
    assert granted(who, type_) == site
    assert granted(who, type_, org=ORG, owner=STRANGER) == site
    assert granted(inside, type_, org=ORG, owner=STRANGER) == site
    assert granted(who, type_, owner=ME) == own
    assert granted(inside, type_, org=ORG, owner=ME) == own
    # An owner outside the organization has lost the object.
    assert granted(inside, type_, org=OTHER_ORG, owner=ME) == site


@pytest.mark.parametrize("type_", list(ResourceType))
@pytest.mark.parametrize("role", matrix.ORG_ROLES)
def test_organization_role_grants_in_its_own_organization_only(role: str, type_: str) -> None:
    site = cell(matrix.SITE, role, type_)
    in_org = site | cell(matrix.ORG, role, type_)
    who = subject(org_role(role, ORG))
    assert granted(who, type_, org=ORG, owner=STRANGER) == in_org
    assert granted(who, type_, org=ORG, owner=ME) == in_org
    assert granted(who, type_, org=OTHER_ORG, owner=ME) == site
    assert granted(who, type_, owner=ME) == site


@pytest.mark.parametrize("type_", list(ResourceType))
@pytest.mark.parametrize("role", matrix.ORG_BANS)
def test_ban_takes_exactly_its_cells_from_owner_of_object_and_never_from_site_owner(
    role: str, type_: str
) -> None:
    banned = cell(matrix.ORG_BANS, role, type_)
    own = cell(matrix.SITE, "member", type_) | cell(matrix.USER, "member", type_)
    admin = cell(matrix.ORG, "organization-admin", type_) | cell(matrix.SITE, "organization-admin", type_)
    ban = org_role(role, ORG)
    assert granted(Subject(ME, "me", (site_role("member"), ban)), type_, org=ORG, owner=ME) == own - banned
    with_admin = Subject(ME, "me", (org_role("organization-admin", ORG), ban))
    assert granted(with_admin, type_, org=ORG, owner=STRANGER) == admin - banned
    boss = Subject(ME, "me", (site_role("owner"), ban))
    assert granted(boss, type_, org=ORG, owner=ME) == cell(matrix.SITE, "owner", type_)


def test_table_names_only_real_types_and_actions() -> None:
    for table in (matrix.SITE, matrix.ORG, matrix.USER, matrix.ORG_BANS):
        for role, row in table.items():
            for type_, words in row.items():
                legal = LEGAL_ACTIONS[ResourceType(type_)]
                assert words == "*" or set(words.split()) <= set(legal), (role, type_)


def test_every_type_has_actions() -> None:
    assert set(LEGAL_ACTIONS) == set(ResourceType)
    assert len(ResourceType) == 39
    assert all(LEGAL_ACTIONS.values())


@pytest.mark.parametrize("type_", list(ResourceType))
def test_action_outside_the_legal_set_is_a_programming_error_even_for_owner(type_: ResourceType) -> None:
    for action in set(Action) - LEGAL_ACTIONS[type_]:
        with pytest.raises(IllegalAction, match=action):
            allowed(Subject(ME, roles=(site_role("owner"),)), action, RbacObject(type_))
        with pytest.raises(IllegalAction):
            Permission(type_, action)


def test_owner_without_exec_keeps_everything_but_ssh_and_application_connect() -> None:
    who = subject(site_role("owner", owner_workspace_exec=False))
    assert granted(who, "workspace", org=ORG) == set(matrix.ALL_BUT_EXEC.split())
