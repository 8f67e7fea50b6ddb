"""Users over HTTP: who sees, makes, changes and deletes whom."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from coder_admin.audit.models import AuditLog
from coder_admin.catalog.models import Template
from coder_admin.organizations import dependents
from coder_admin.organizations.models import PREBUILDS_USER_ID, OrganizationMember, User
from coder_admin.workspaces.models import Workspace
from tests.people import PASSWORD, client, default_organization, json_of, organization, owner, person

pytestmark = pytest.mark.django_db
URL = "/api/v2"


def usernames(http: Any, query: str = "") -> list[str]:
    return [u["username"] for u in json_of(http.get(f"{URL}/users", {"q": query}))["users"]]


def new_user(**fields: Any) -> dict[str, Any]:
    return {"username": "newbie", "email": "newbie@example.com", "password": PASSWORD} | fields


def test_nobody_gets_401_in_the_common_shape() -> None:
    response = client().get(f"{URL}/users")
    assert response.status_code == 401
    assert set(response.json()) == {"message", "detail", "validations"}
    assert response.json()["validations"] == []


@pytest.mark.parametrize(
    ("role", "sees_everybody"),
    [("owner", True), ("user-admin", True), ("auditor", True), ("template-admin", True), (None, False)],
)
def test_list_shows_everybody_to_site_roles_and_oneself_to_members(
    role: str | None, sees_everybody: bool
) -> None:
    person("ada")
    viewer = person("viewer", roles=[role] if role else [])
    assert usernames(client(viewer)) == (["ada", "viewer"] if sees_everybody else ["viewer"])


def test_organization_admin_reads_users_since_the_role_carries_it() -> None:
    person("ada")
    admin = person("admin", memberships={organization("acme"): ["organization-admin"]})
    assert usernames(client(admin)) == ["ada", "admin"]


def test_system_user_is_in_no_list_but_found_by_id() -> None:
    http = client(owner())
    assert usernames(http) == ["boss"]
    assert json_of(http.get(f"{URL}/users"))["count"] == 1
    assert http.get(f"{URL}/users/{PREBUILDS_USER_ID}").status_code == 200


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["ada", "bob", "boss"]),
        ("ad", ["ada"]),
        ("search:BOB", ["bob"]),
        ("role:owner", ["boss"]),
        ("role:user-admin", ["bob"]),
        ("role:member", ["ada", "bob", "boss"]),
        ("status:active example.com", ["ada", "bob", "boss"]),
        ("status:suspended", []),
        ("login_type:oidc", []),
        ('"no such"', []),
    ],
)
def test_search(query: str, found: list[str]) -> None:
    boss = owner()
    person("ada")
    person("bob", roles=["user-admin"])
    assert usernames(client(boss), query) == found


@pytest.mark.parametrize(
    "query", ["color:red", "status:odd", "role:", ":x", 'search:"open', "a:b:c", "x" * 2000]
)
def test_bad_search_is_400_with_a_reason(query: str) -> None:
    response = client(owner()).get(f"{URL}/users", {"q": query})
    assert response.status_code == 400
    assert response.json()["validations"][0]["detail"]


def test_list_is_paged_and_its_queries_do_not_grow(django_assert_num_queries: Any) -> None:
    http = client(owner())
    http.get(f"{URL}/users")
    # Token, its user's roles and groups, the page, its memberships, the count.
    with django_assert_num_queries(6):
        http.get(f"{URL}/users")
    for number in range(12):
        person(f"user-{number}")
    with django_assert_num_queries(6):
        page = json_of(http.get(f"{URL}/users", {"limit": 5, "offset": 10}))
    assert (len(page["users"]), page["count"]) == (3, 13)
    assert http.get(f"{URL}/users", {"limit": "x"}).status_code == 400


def test_list_goes_on_behind_a_user() -> None:
    http = client(owner())
    ada = person("ada")
    person("bob")
    found = json_of(http.get(f"{URL}/users", {"after_id": str(ada.id), "limit": "1"}))
    assert ([one["username"] for one in found["users"]], found["count"]) == (["bob"], 2)
    for wrong in ("x", NO_USER):
        assert http.get(f"{URL}/users", {"after_id": wrong}).status_code == 400


NO_USER = "0e6f1c0a-6d0e-4b8e-9a53-4b1f6c1a2d3e"


@pytest.mark.parametrize("text", ["nobody", "{}", NO_USER, "prebuilds", "a" * 300])
def test_user_that_cannot_be_read_has_one_odd_400(text: str) -> None:
    response = client(person("ada")).get(f"{URL}/users/{text}")
    assert response.status_code == 400
    assert response.json()["message"] == '"user" must be an existing uuid or username.'


def test_create_joins_the_default_organization_and_is_audited() -> None:
    http = client(owner())
    response = http.post(f"{URL}/users", new_user(name="New Bie"), format="json")
    assert response.status_code == 201
    body = response.json()
    assert body["organization_ids"] == [str(default_organization().id)]
    assert body["roles"] == []
    assert "password" not in body
    row = AuditLog.objects.get(action="create", resource_type="user", resource_target="newbie")
    assert row.username == "boss"
    assert row.diff["username"] == {"old": None, "new": "newbie", "secret": False}
    assert row.diff["password"] == {"old": "", "new": "", "secret": True}
    assert User.objects.get(username="newbie").groups.count() == 1


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"username": ""}, "username"),
        ({"username": "two words"}, "username"),
        ({"username": "-x"}, "username"),
        ({"username": "x" * 33}, "username"),
        ({"username": "new"}, "username"),
        ({"email": "nope"}, "email"),
        ({"password": "short"}, "password"),
        ({"password": "newbie@example.com"}, "password"),
        ({"password": ""}, "password"),
        ({"login_type": "oidc"}, "password"),
        ({"login_type": "magic"}, "login_type"),
        ({"name": " padded "}, None),
        ({"organization_ids": ["x"]}, "organization_ids.0"),
    ],
)
def test_create_names_the_bad_field(fields: dict[str, Any], field: str | None) -> None:
    before = User.objects.count()
    http = client(owner())
    response = http.post(f"{URL}/users", new_user(**fields), format="json")
    if field is None:
        assert response.status_code == 201
        return
    assert response.status_code == 400
    assert field in {v["field"] for v in response.json()["validations"]}
    assert User.objects.count() == before + 1


@pytest.mark.parametrize("fields", [{"username": "ADA"}, {"email": "ADA@example.com"}])
def test_taken_name_or_email_is_409_ignoring_case(fields: dict[str, Any]) -> None:
    person("ada")
    assert client(owner()).post(f"{URL}/users", new_user(**fields), format="json").status_code == 409


def test_creation_in_an_organization_one_may_not_see_makes_nothing() -> None:
    acme = organization("acme")
    admin = person("uadmin", roles=["user-admin"])
    ok = client(admin).post(f"{URL}/users", new_user(organization_ids=[str(acme.id)]), format="json")
    assert ok.status_code == 201  # a user-admin reads and fills every organization
    missing = new_user(username="other", email="o@example.com", organization_ids=[str(uuid.uuid4())])
    assert client(admin).post(f"{URL}/users", missing, format="json").status_code == 404
    assert not User.objects.filter(username="other").exists()


@pytest.mark.parametrize("role", ["auditor", "template-admin", None])
def test_who_may_not_create_gets_403(role: str | None) -> None:
    http = client(person("x", roles=[role] if role else []))
    assert http.post(f"{URL}/users", new_user(), format="json").status_code == 403


def test_delete_is_soft_frees_the_name_and_ends_tokens() -> None:
    boss, ada = owner(), person("ada")
    adas = client(ada)
    assert client(boss).delete(f"{URL}/users/ada").status_code == 200
    assert adas.get(f"{URL}/users/me").status_code == 401
    assert client(boss).get(f"{URL}/users/ada").status_code == 400
    assert User.objects.get(pk=ada.pk).deleted
    person("ada")


def test_the_last_owner_is_not_deleted() -> None:
    boss, helper = owner(), client(person("helper", roles=["user-admin"]))
    refused = helper.delete(f"{URL}/users/{boss.username}")
    assert (refused.status_code, json_of(refused)["message"]) == (400, "You cannot delete the last owner.")
    second = owner("second")
    assert helper.delete(f"{URL}/users/{boss.username}").status_code == 200
    assert helper.delete(f"{URL}/users/{second.username}").status_code == 400


def test_delete_refuses_oneself_system_users_and_owners_of_workspaces() -> None:
    boss, ada = owner(), person("ada")
    http = client(boss)
    assert http.delete(f"{URL}/users/me").status_code == 400
    assert http.delete(f"{URL}/users/{PREBUILDS_USER_ID}").status_code == 400
    org = default_organization()
    template = Template.objects.create(organization=org, name="t", created_by=boss)
    Workspace.objects.create(owner=ada, organization=org, template=template, name="w")
    refused = http.delete(f"{URL}/users/ada")
    assert refused.status_code == 417
    assert "1 workspaces" in refused.json()["message"]


def test_dependents_count_only_what_is_registered() -> None:
    assert dependents.user_dependents(uuid.uuid4()) == {}


def test_suspending_oneself_or_an_owner_is_refused() -> None:
    http = client(owner())
    other = person("other", roles=["owner"])
    assert http.put(f"{URL}/users/me/status/suspend").status_code == 400
    assert http.put(f"{URL}/users/{other.id}/status/suspend").status_code == 400


def test_profile_is_ones_own_business_and_names_stay_unique() -> None:
    ada = person("ada")
    person("bob")
    http = client(ada)
    assert (
        http.put(f"{URL}/users/me/profile", {"username": "ada-2"}, format="json").json()["username"]
        == "ada-2"
    )
    assert http.put(f"{URL}/users/me/profile", {"username": "BOB"}, format="json").status_code == 409
    reader = client(person("viewer", roles=["auditor"]))
    assert reader.put(f"{URL}/users/bob/profile", {"username": "x"}, format="json").status_code == 403


def test_appearance_is_kept_for_oneself_only() -> None:
    ada = person("ada")
    http = client(ada)
    url = f"{URL}/users/me/appearance"
    assert http.put(url, {"theme_preference": "dark"}, format="json").status_code == 200
    assert http.get(f"{URL}/users/me").json()["theme_preference"] == "dark"
    assert http.put(url, {"theme_preference": "pink"}, format="json").status_code == 400
    auditor = client(person("viewer", roles=["auditor"]))
    refused = auditor.put(f"{URL}/users/ada/appearance", {"theme_preference": "dark"}, format="json")
    assert refused.status_code == 403


@pytest.mark.parametrize(
    ("actor_role", "given", "status"),
    [
        ("owner", ["owner", "auditor"], 200),
        ("owner", ["member"], 200),
        ("owner", ["nonsense"], 400),
        ("owner", ["organization-admin"], 400),
        ("user-admin", ["auditor"], 403),
        ("user-admin", ["owner"], 403),
        ("user-admin", ["member"], 200),
        ("auditor", ["auditor"], 403),
        ("template-admin", [], 200),  # nothing changes, so no right is needed
    ],
)
def test_who_may_give_site_roles(actor_role: str, given: list[str], status: int) -> None:
    actor, ada = person("actor", roles=[actor_role]), person("ada")
    response = client(actor).put(f"{URL}/users/ada/roles", {"roles": given}, format="json")
    assert response.status_code == status, response.content
    ada.refresh_from_db()
    assert ada.rbac_roles == ([r for r in given if r != "member"] if status == 200 else [])


def test_own_roles_cannot_be_changed_and_unchanged_ones_need_no_right() -> None:
    boss, uadmin = owner(), person("uadmin", roles=["user-admin"])
    assert client(boss).put(f"{URL}/users/me/roles", {"roles": []}, format="json").status_code == 400
    person("both", roles=["owner"])
    same = client(uadmin).put(f"{URL}/users/both/roles", {"roles": ["owner"]}, format="json")
    assert same.status_code == 200
    fewer = client(uadmin).put(f"{URL}/users/both/roles", {"roles": []}, format="json")
    assert fewer.status_code == 403


def test_offered_site_roles_say_what_one_may_hand_out() -> None:
    roles = json_of(client(owner()).get(f"{URL}/users/roles"))
    assert {r["name"] for r in roles} == {"owner", "auditor", "template-admin", "user-admin"}
    assert all(r["assignable"] and r["built_in"] for r in roles)
    assert not any(r["assignable"] for r in json_of(client(person("ada")).get(f"{URL}/users/roles")))


def test_user_organizations_are_those_the_viewer_sees() -> None:
    acme, other = organization("acme"), organization("other")
    ada = person("ada", memberships={acme: [], other: []})
    assert [o["name"] for o in json_of(client(ada).get(f"{URL}/users/me/organizations"))] == ["acme", "other"]
    admin = person("admin", memberships={acme: ["organization-admin"]})
    http = client(admin)
    assert [o["name"] for o in json_of(http.get(f"{URL}/users/ada/organizations"))] == ["acme"]
    assert http.get(f"{URL}/users/ada/organizations/acme").status_code == 200
    assert http.get(f"{URL}/users/ada/organizations/other").status_code == 404
    roles = json_of(http.get(f"{URL}/users/ada/roles"))
    assert set(roles["organization_roles"]) == {str(acme.id)}
    assert OrganizationMember.objects.filter(user=ada).count() == 2
