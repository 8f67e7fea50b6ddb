"""The order of questions for prebuilt workspaces and its consequences (sections 3.2 and 3.3)."""

from dataclasses import replace

import pytest

from rbac import PREBUILDS_USER_ID, Action, Denied, RbacObject, ResourceType, Role, Subject, allowed
from rbac.prebuilt import DeniedTwice, authorize_workspace, workspace_allowed
from rbac.roles import grants, org_role, site_role

ORG, OTHER = "org-1", "org-2"
PREBUILD = RbacObject(ResourceType.WORKSPACE, id="w", org=ORG, owner=PREBUILDS_USER_ID)
CLAIMED = replace(PREBUILD, owner="developer")
DORMANT = replace(PREBUILD, type=ResourceType.WORKSPACE_DORMANT)


def person(*roles: Role) -> Subject:
    return Subject("someone", "someone", (site_role("member"), *roles))


TEMPLATE_ADMIN = person(site_role("template-admin"))
ORG_TEMPLATE_ADMIN = person(org_role("organization-template-admin", ORG))


def rights(who: Subject, workspace: RbacObject) -> set[str]:
    actions = [Action(a) for a in ("read", "update", "delete", "start", "stop", "ssh", "create")]
    return {str(a) for a in actions if workspace_allowed(who, a, workspace)}


@pytest.mark.parametrize("who", [TEMPLATE_ADMIN, ORG_TEMPLATE_ADMIN])
def test_template_admin_reads_updates_and_deletes_a_prebuild_and_nothing_else(who: Subject) -> None:
    assert rights(who, PREBUILD) == {"read", "update", "delete"}


@pytest.mark.parametrize("who", [TEMPLATE_ADMIN, ORG_TEMPLATE_ADMIN])
def test_right_ends_with_the_claim(who: Subject) -> None:
    assert rights(who, CLAIMED) == {"read"}


@pytest.mark.parametrize("role", ["user-admin", "auditor", "member"])
def test_other_site_roles_have_nothing(role: str) -> None:
    assert rights(person(site_role(role)), PREBUILD) == set()


@pytest.mark.parametrize("role", ["organization-member", "organization-auditor", "organization-user-admin"])
def test_other_organization_roles_have_nothing(role: str) -> None:
    assert rights(person(org_role(role, ORG)), PREBUILD) == set()


@pytest.mark.parametrize("role", [site_role("owner"), org_role("organization-admin", ORG)])
def test_admins_pass_on_the_first_question(role: Role) -> None:
    assert {"read", "update", "delete", "start", "stop"} <= rights(person(role), PREBUILD)
    assert {"read", "update", "delete", "start", "stop"} <= rights(person(role), CLAIMED)


def test_organization_template_admin_of_another_organization_has_nothing() -> None:
    assert rights(person(org_role("organization-template-admin", OTHER)), PREBUILD) == set()


def test_dormant_prebuild_is_deletable_too() -> None:
    assert workspace_allowed(TEMPLATE_ADMIN, Action.DELETE, DORMANT)


def test_deleting_needs_read_update_and_delete() -> None:
    only_prebuilt = person(Role("custom", org={ORG: grants(prebuilt_workspace="update delete")}))
    assert rights(only_prebuilt, PREBUILD) == {"update", "delete"}
    both = person(Role("custom", org={ORG: grants(prebuilt_workspace="update delete", workspace="read")}))
    assert rights(both, PREBUILD) == {"read", "update", "delete"}


def test_denial_joins_both_errors_workspace_first() -> None:
    with pytest.raises(DeniedTwice) as caught:
        authorize_workspace(person(), Action.DELETE, PREBUILD)
    first, second = caught.value.errors
    assert first.object.type == ResourceType.WORKSPACE
    assert second.object.type == ResourceType.PREBUILT_WORKSPACE
    assert str(caught.value).index("workspace w") < str(caught.value).index("prebuilt_workspace w")


def test_start_is_never_asked_as_a_prebuild() -> None:
    with pytest.raises(Denied) as caught:
        authorize_workspace(TEMPLATE_ADMIN, Action.START, PREBUILD)
    assert not isinstance(caught.value, DeniedTwice)


def test_prebuilds_user_by_row_has_no_rights() -> None:
    """The system user holds no role of its own; the orchestrator subject carries the rights."""
    row = Subject(PREBUILDS_USER_ID, "prebuilds", (site_role("member"),))
    assert not allowed(row, Action.READ, PREBUILD)
