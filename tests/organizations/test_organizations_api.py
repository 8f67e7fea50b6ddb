"""Organizations, members and groups over HTTP."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import Group as AuthGroup

from coder_admin.audit.models import AuditLog
from coder_admin.catalog.models import TEMPLATE_ACL, Template
from coder_admin.organizations.models import (
    PREBUILDS_GROUP_NAME,
    PREBUILDS_USER_ID,
    Group,
    GroupMember,
    Organization,
    OrganizationMember,
    User,
)
from coder_admin.organizations.services import insert_membership
from rbac import Action
from rbac.django import may
from tests.people import client, default_organization, json_of, organization, owner, person, subject

pytestmark = pytest.mark.django_db
URL = "/api/v2"


# --- organizations ----------------------------------------------------------------------------------------


def test_organization_is_made_with_everyone_and_its_maker() -> None:
    boss = owner()
    response = client(boss).post(f"{URL}/organizations", {"name": "acme"}, format="json")
    assert response.status_code == 201
    acme = Organization.objects.get(name="acme")
    assert response.json()["display_name"] == "acme"
    everyone = Group.objects.get(organization=acme)
    assert (everyone.id, everyone.name) == (acme.id, "Everyone")
    assert list(acme.members.values_list("user_id", "roles")) == [(boss.id, [])]
    assert everyone.auth_group in boss.groups.all()
    assert AuditLog.objects.filter(resource_type="organization", action="create", organization=acme).exists()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "default"}, 400),
        ({"name": "two words"}, 400),
        ({"name": ""}, 400),
        ({}, 400),
        ({"name": "CODER"}, 409),
        ({"name": "ok", "display_name": "x" * 65}, 400),
        ({"name": "ok", "description": "x" * 1025}, 400),
    ],
)
def test_bad_organization_is_refused_and_nothing_made(body: dict[str, Any], status: int) -> None:
    before = Organization.objects.count(), AuthGroup.objects.count()
    response = client(owner()).post(f"{URL}/organizations", body, format="json")
    assert response.status_code == status
    assert response.json()["validations"]
    assert (Organization.objects.count(), AuthGroup.objects.count()) == before


def test_members_do_not_make_organizations() -> None:
    assert client(person("ada")).post(f"{URL}/organizations", {"name": "x"}, format="json").status_code == 403


@pytest.mark.parametrize("text", ["acme", "ACME", "id"])
def test_organization_is_found_by_name_or_id(text: str) -> None:
    acme = organization("acme")
    ada = person("ada", memberships={acme: []})
    url = f"{URL}/organizations/{acme.id if text == 'id' else text}"
    assert client(ada).get(url).json()["id"] == str(acme.id)
    assert client(person("bob")).get(url).status_code == 404
    assert [o["name"] for o in json_of(client(ada).get(f"{URL}/organizations"))] == ["acme"]


@pytest.mark.parametrize("text", ["default", "00000000-0000-0000-0000-000000000000", "coder"])
def test_default_organization_by_its_names(text: str) -> None:
    http = client(person("ada"))
    assert json_of(http.get(f"{URL}/organizations/{text}"))["is_default"] is True
    assert http.get(f"{URL}/organizations/{uuid.uuid4()}").status_code == 404
    assert http.get(f"{URL}/organizations/not_a_uuid").status_code == 404


def test_patch_changes_only_what_is_given_and_needs_the_right() -> None:
    acme = organization("acme")
    admin = person("admin", memberships={acme: ["organization-admin"]})
    url = f"{URL}/organizations/acme"
    assert client(admin).patch(url, {"description": "d"}, format="json").json()["name"] == "acme"
    diff = AuditLog.objects.filter(resource_type="organization", action="write").get().diff
    assert diff == {"description": {"old": "", "new": "d", "secret": False}}
    assert client(admin).patch(url, {"name": "coder"}, format="json").status_code == 409
    plain = person("plain", memberships={acme: []})
    assert client(plain).patch(url, {"description": "e"}, format="json").status_code == 403
    assert client(person("bob")).patch(url, {"description": "e"}, format="json").status_code == 404


def test_default_organization_cannot_be_deleted() -> None:
    response = client(owner()).delete(f"{URL}/organizations/default")
    assert (response.status_code, response.json()["message"]) == (
        400,
        "Default organization cannot be deleted.",
    )


def test_inhabited_organization_says_what_must_go_first_and_system_rows_do_not_count() -> None:
    boss = owner()
    http = client(boss)
    http.post(f"{URL}/organizations", {"name": "acme"}, format="json")
    acme = Organization.objects.get(name="acme")
    prebuilds = User.objects.get(id=PREBUILDS_USER_ID)
    insert_membership(acme, prebuilds)
    Group.objects.create(
        organization=acme, name=PREBUILDS_GROUP_NAME, auth_group=AuthGroup.objects.create(name="p")
    )
    http.post(f"{URL}/organizations/acme/groups", {"name": "devs"}, format="json")
    template = Template.objects.create(organization=acme, name="t", created_by=boss)
    person("ada", memberships={acme: []})
    refused = http.delete(f"{URL}/organizations/acme")
    assert refused.status_code == 409
    assert refused.json()["detail"] == (
        "cannot delete organization: "
        "organization has 1 templates, 1 groups, 1 members that must be deleted first"
    )
    template.deleted = True
    template.save()
    devs = Group.objects.get(name="devs")
    assert http.delete(f"{URL}/groups/{devs.id}").status_code == 200
    assert http.delete(f"{URL}/organizations/acme/members/ada").status_code == 204
    assert http.delete(f"{URL}/organizations/acme").status_code == 200
    assert http.get(f"{URL}/organizations/acme").status_code == 404
    assert http.post(f"{URL}/organizations", {"name": "acme"}, format="json").status_code == 201


# --- members ----------------------------------------------------------------------------------------------


def test_member_is_added_and_removed_with_groups_in_step() -> None:
    boss, ada, acme = owner(), person("ada"), organization("acme")
    http = client(boss)
    added = http.post(f"{URL}/organizations/acme/members/ada")
    assert (added.status_code, added.json()["username"]) == (200, "ada")
    assert http.post(f"{URL}/organizations/acme/members/ada").status_code == 400
    group = http.post(f"{URL}/organizations/acme/groups", {"name": "devs"}, format="json").json()
    http.patch(f"{URL}/groups/{group['id']}", {"add_users": ["ada"]}, format="json")
    assert ada.groups.count() == 3  # Everyone of both organizations, devs
    assert http.delete(f"{URL}/organizations/acme/members/ada").status_code == 204
    assert ada.groups.count() == 1
    assert not GroupMember.objects.filter(user=ada).exists()
    assert not OrganizationMember.objects.filter(user=ada, organization=acme).exists()


def test_members_are_listed_without_system_users_and_paged(django_assert_num_queries: Any) -> None:
    boss = owner()
    http = client(boss)
    for number in range(4):
        person(f"user-{number}")
    http.get(f"{URL}/users/me")  # the token's first use is noted
    # Token, roles, groups, organization, page, count.
    with django_assert_num_queries(6):
        page = json_of(http.get(f"{URL}/organizations/default/paginated-members", {"limit": 2}))
    assert page["count"] == 5
    assert [m["username"] for m in page["members"]] == ["boss", "user-0"]
    assert OrganizationMember.objects.filter(user_id=PREBUILDS_USER_ID).exists()
    assert len(json_of(http.get(f"{URL}/organizations/default/members"))) == 5


def test_plain_member_sees_only_their_own_membership() -> None:
    ada = person("ada")
    person("bob")
    members = json_of(client(ada).get(f"{URL}/organizations/default/members"))
    assert [m["username"] for m in members] == ["ada"]
    assert client(ada).get(f"{URL}/organizations/default/members/bob").status_code == 404
    assert client(ada).get(f"{URL}/organizations/default/members/me").status_code == 200


def test_org_admin_manages_members_without_any_site_role() -> None:
    acme = organization("acme")
    admin = person("admin", memberships={acme: ["organization-admin"]})
    ada = person("ada", memberships={acme: []})
    http = client(admin)
    url = f"{URL}/organizations/acme/members"
    given = http.put(f"{url}/ada/roles", {"roles": ["organization-auditor"]}, format="json")
    assert given.json()["roles"] == [
        {
            "name": "organization-auditor",
            "display_name": "Organization Auditor",
            "organization_id": str(acme.id),
        }
    ]
    assert http.put(f"{url}/admin/roles", {"roles": []}, format="json").json()["message"] == (
        "You cannot change your own organization roles."
    )
    assert http.put(f"{url}/ada/roles", {"roles": ["owner"]}, format="json").status_code == 400
    assert http.delete(f"{url}/me").status_code == 400
    assert http.delete(f"{url}/{ada.id}").status_code == 204
    row = AuditLog.objects.filter(resource_type="organization_member", action="write").get()
    assert row.diff["roles"] == {"old": [], "new": ["organization-auditor"], "secret": False}


def test_org_user_admin_adds_and_removes_members_but_gives_no_roles() -> None:
    acme = organization("acme")
    admin = person("uadmin", memberships={acme: ["organization-user-admin"]})
    person("ada")
    http = client(admin)
    url = f"{URL}/organizations/acme/members/ada"
    assert http.post(url).status_code == 200
    denied = http.put(f"{url}/roles", {"roles": ["organization-admin"]}, format="json")
    assert denied.status_code == 403
    assert http.delete(url).status_code == 204


def test_other_organizations_admin_finds_nobody() -> None:
    acme, other = organization("acme"), organization("other")
    person("ada", memberships={acme: []})
    stranger = client(person("stranger", memberships={other: ["organization-admin"]}))
    for method, url in (
        ("get", "organizations/acme"),
        ("get", "organizations/acme/members"),
        ("get", "organizations/acme/members/ada"),
        ("post", "organizations/acme/members/stranger"),
        ("delete", "organizations/acme/members/ada"),
        ("put", "organizations/acme/members/ada/roles"),
        ("get", "organizations/acme/members/roles"),
        ("get", "organizations/acme/groups"),
        ("get", "organizations/acme/groups/Everyone"),
        ("get", f"groups/{acme.id}"),
        ("patch", f"groups/{acme.id}"),
        ("delete", f"groups/{acme.id}"),
        ("delete", "organizations/acme"),
    ):
        response = getattr(stranger, method)(f"{URL}/{url}", {"roles": []}, format="json")
        assert response.status_code == 404, (method, url, response.content)


def test_losing_the_membership_loses_access_to_ones_own_things_there() -> None:
    acme = organization("acme")
    ada = person("ada", memberships={acme: ["organization-template-admin"]})
    template = Template.objects.create(organization=acme, name="t", created_by=ada)
    assert may(subject(ada), Action.UPDATE, template)
    client(owner()).delete(f"{URL}/organizations/acme/members/ada")
    assert not may(subject(ada), Action.READ, Template.objects.get())


def test_roles_of_an_organization_and_who_may_give_them() -> None:
    acme = organization("acme")
    url = f"{URL}/organizations/acme/members/roles"
    admin = person("admin", memberships={acme: ["organization-admin"]})
    roles = json_of(client(admin).get(url))
    assert len(roles) == 5
    assert all(r["assignable"] for r in roles)
    plain = json_of(client(person("ada", memberships={acme: []})).get(url))
    assert not any(r["assignable"] for r in plain)


# --- groups -----------------------------------------------------------------------------------------------


def test_group_is_made_filled_renamed_and_deleted() -> None:
    boss = owner()
    person("ada")
    http = client(boss)
    made = http.post(
        f"{URL}/organizations/default/groups", {"name": "devs", "quota_allowance": 3}, format="json"
    )
    assert made.status_code == 201
    group = Group.objects.get(name="devs")
    url = f"{URL}/groups/{group.id}"
    body = http.patch(url, {"add_users": ["ada"], "display_name": "Developers"}, format="json").json()
    assert ([m["username"] for m in body["members"]], body["total_member_count"]) == (["ada"], 1)
    assert [u.username for u in group.auth_group.user_set.all()] == ["ada"]
    row = AuditLog.objects.filter(resource_type="group", action="write").get()
    assert row.diff["members"] == {"old": [], "new": ["ada"], "secret": False}
    assert http.patch(url, {"add_users": ["ada"]}, format="json").status_code == 200
    assert http.patch(url, {"remove_users": ["ada"]}, format="json").json()["members"] == []
    assert http.get(f"{URL}/organizations/default/groups/DEVS").json()["id"] == str(group.id)
    assert http.delete(url).status_code == 200
    assert not AuthGroup.objects.filter(id=group.auth_group_id).exists()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "everyone"}, 400),
        ({"name": ""}, 400),
        ({"name": "x" * 65}, 400),
        ({"name": "DEVS"}, 409),
        ({"name": "ok", "quota_allowance": -1}, 400),
        ({"name": "ok", "quota_allowance": 2**40}, 400),
    ],
)
def test_bad_group_is_refused_and_nothing_made(body: dict[str, Any], status: int) -> None:
    http = client(owner())
    http.post(f"{URL}/organizations/default/groups", {"name": "devs"}, format="json")
    before = Group.objects.count(), AuthGroup.objects.count()
    assert http.post(f"{URL}/organizations/default/groups", body, format="json").status_code == status
    assert (Group.objects.count(), AuthGroup.objects.count()) == before


def test_everyone_follows_the_organization() -> None:
    http = client(owner())
    person("ada")
    url = f"{URL}/groups/{default_organization().id}"
    assert [m["username"] for m in http.get(url).json()["members"]] == ["ada", "boss"]
    for body in ({"name": "All"}, {"add_users": ["ada"]}, {"remove_users": ["ada"]}):
        assert http.patch(url, body, format="json").status_code == 400
    assert http.patch(url, {"quota_allowance": 7}, format="json").json()["quota_allowance"] == 7
    assert http.delete(url).status_code == 400


def test_only_members_of_the_organization_can_join_its_groups() -> None:
    acme = organization("acme")
    http = client(owner())
    person("ada")
    group = http.post(f"{URL}/organizations/acme/groups", {"name": "devs"}, format="json").json()
    refused = http.patch(
        f"{URL}/groups/{group['id']}", {"add_users": ["ada"], "display_name": "new"}, format="json"
    )
    assert refused.status_code == 400
    assert Group.objects.get(organization=acme, name="devs").display_name == ""


def test_member_sees_own_groups_and_only_oneself_in_them() -> None:
    boss, ada = owner(), person("ada")
    person("bob")
    http = client(boss)
    ids = [
        http.post(f"{URL}/organizations/default/groups", {"name": name}, format="json").json()["id"]
        for name in ("devs", "ops")
    ]
    http.patch(f"{URL}/groups/{ids[0]}", {"add_users": ["ada", "bob"]}, format="json")
    seen = json_of(client(ada).get(f"{URL}/groups"))
    assert [g["name"] for g in seen] == ["Everyone", "devs"]
    detail = json_of(client(ada).get(f"{URL}/groups/{ids[0]}"))
    assert [m["username"] for m in detail["members"]] == ["ada"]
    assert client(ada).get(f"{URL}/groups/{ids[1]}").status_code == 404
    assert client(ada).patch(f"{URL}/groups/{ids[0]}", {"name": "x"}, format="json").status_code == 403


def test_group_grant_on_a_template_reaches_its_members_by_policy_and_by_guardian() -> None:
    boss, ada = owner(), person("ada")
    http = client(boss)
    group = http.post(f"{URL}/organizations/default/groups", {"name": "devs"}, format="json").json()
    template = Template.objects.create(organization=default_organization(), name="t", created_by=boss)
    assert not may(subject(ada), Action.READ, template)
    TEMPLATE_ACL.set_group(template, group["id"], "use_template")
    http.patch(f"{URL}/groups/{group['id']}", {"add_users": ["ada"]}, format="json")
    template = Template.objects.get()
    assert may(subject(ada), Action.USE, template)
    assert not may(subject(ada), Action.UPDATE, template)
    from guardian.shortcuts import get_user_perms, get_users_with_perms

    assert ada in get_users_with_perms(template, with_group_users=True)
    assert not get_user_perms(ada, template)


def test_everyone_grant_reaches_every_member_by_policy_and_by_guardian() -> None:
    boss, ada = owner(), person("ada")
    outsider = person("outsider", memberships={})
    template = Template.objects.create(organization=default_organization(), name="t", created_by=boss)
    TEMPLATE_ACL.set_group(template, default_organization().id, "use_template")
    assert may(subject(ada), Action.USE, template)
    assert not may(subject(outsider), Action.READ, template)
    from guardian.shortcuts import get_users_with_perms

    assert {ada, boss} <= set(get_users_with_perms(template, with_group_users=True))
    assert outsider not in get_users_with_perms(template, with_group_users=True)
