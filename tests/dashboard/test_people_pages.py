"""Pages of organizations, members, groups, roles, users, one's account and the identity provider: who gets
them, what their forms do, and how a refusal shows."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from coder_admin.audit.models import AuditLog
from coder_admin.foundation import events
from coder_admin.organizations import services
from coder_admin.organizations.access_news import USERS_TOPIC
from coder_admin.organizations.choices import UserStatus
from coder_admin.organizations.models import (
    APIKey,
    BrowserSession,
    CustomRole,
    Group,
    Organization,
    OrganizationMember,
    User,
)
from tests.people import PASSWORD, default_organization, organization, owner, person, subject

pytestmark = pytest.mark.django_db
ClientOf = Callable[[User], Client]


@pytest.fixture
def acme() -> Organization:
    return organization("acme")


def text_of(response: Any) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


def went(response: Any, target: str) -> None:
    assert (response.status_code, response.headers.get("Location")) == (302, target), text_of(response)[:2000]


def addresses(acme: Organization, ada: User, group: Group) -> dict[str, str]:
    org = f"/organizations/{acme.name}"
    return {
        "account": "/account",
        "tokens": "/account/tokens",
        "sessions": "/account/sessions",
        "organizations": "/organizations",
        "users": "/people/users",
        "new organization": "/organizations/new",
        "organization": org,
        "members": f"{org}/members",
        "member": f"{org}/members/{ada.username}",
        "groups": f"{org}/groups",
        "new group": f"{org}/groups/new",
        "group": f"{org}/groups/{group.id}",
        "roles": f"{org}/roles",
        "new role": f"{org}/roles/new",
        "role": f"{org}/roles/cleaner",
        "organization identity": f"{org}/identity",
        "identity": "/identity",
        "new user": "/people/users/new",
        "user": f"/people/users/{ada.username}",
        "password of a user": f"/people/users/{ada.username}/password",
    }


MINE = {"account", "tokens", "sessions", "organizations", "users"}


def test_who_gets_which_page(acme: Organization, client_of: ClientOf) -> None:
    boss = owner()
    ada = person("ada", memberships={acme: []})
    group = services.group_create(subject(boss), organization=acme, name="devs")
    CustomRole.objects.create(organization=acme, name="cleaner")
    pages = addresses(acme, ada, group)

    def codes(user: User) -> dict[str, int]:
        client = client_of(user)
        return {name: client.get(url).status_code for name, url in pages.items()}

    assert codes(boss) == dict.fromkeys(pages, 200)
    admin = person("admin", memberships={acme: ["organization-admin"]})
    closed = ("new organization", "identity", "new user", "password of a user")
    expected = dict.fromkeys(pages, 200) | dict.fromkeys(closed, 403)
    assert codes(admin) == expected
    member = dict.fromkeys(pages, 200) | dict.fromkeys(
        (
            "new organization",
            "identity",
            "new user",
            "organization identity",
            "new group",
            "new role",
            "role",
        ),
        403,
    )
    member |= {"group": 404, "password of a user": 302}  # one's own is on one's account
    assert codes(ada) == member
    stranger = {
        name: 200 if name in MINE else 403 if name in ("new organization", "identity", "new user") else 404
        for name in pages
    }
    assert codes(person("stranger", memberships={organization("other"): []})) == stranger
    anonymous = Client()
    assert {anonymous.get(url).status_code for url in pages.values()} == {302}


def test_organization_is_made_changed_and_deleted(client_of: ClientOf) -> None:
    client = client_of(owner())
    bad = client.post("/organizations/new", {"name": "two words"})
    assert bad.status_code == 400
    assert "single hyphens between them" in text_of(bad)
    went(client.post("/organizations/new", {"name": "acme"}), "/organizations/acme")
    taken = client.post("/organizations/new", {"name": "ACME"})
    assert taken.status_code == 409
    assert "already in use" in text_of(taken)
    body = {"name": "acme-2", "display_name": "Acme", "description": "d", "icon": ""}
    went(client.post("/organizations/acme", body), "/organizations/acme-2")
    person("ada", memberships={Organization.objects.get(name="acme-2"): []})
    refused = client.post("/organizations/acme-2/delete", follow=True)
    assert "1 members that must be deleted first" in text_of(refused)
    client.post("/organizations/acme-2/members/ada/remove")
    went(client.post("/organizations/acme-2/delete"), "/organizations")
    assert client.get("/organizations/acme-2").status_code == 404


def test_members_are_added_given_roles_and_removed(acme: Organization, client_of: ClientOf) -> None:
    admin = person("admin", memberships={acme: ["organization-admin"]})
    person("ada")
    client = client_of(admin)
    url = "/organizations/acme/members"
    assert '<option value="ada">' in text_of(client.get(url))
    unknown = client.post(url, {"user": "nobody"})
    assert unknown.status_code == 400
    assert "must be an existing" in text_of(unknown)
    went(client.post(url, {"user": "ada"}), url)
    assert "already a member" in text_of(client.post(url, {"user": "ada"}))
    form = text_of(client.get(f"{url}/ada"))
    assert 'value="organization-auditor"' in form
    went(client.post(f"{url}/ada", {"roles": ["organization-auditor"]}), url)
    assert OrganizationMember.objects.get(user__username="ada", organization=acme).roles == [
        "organization-auditor"
    ]
    own = client.post(f"{url}/admin", {"roles": []})
    assert (own.status_code, "cannot change your own" in text_of(own)) == (400, True)
    went(client.post(f"{url}/ada/remove"), url)
    assert not OrganizationMember.objects.filter(user__username="ada", organization=acme).exists()
    assert "organization-admin" in text_of(client.get(f"{url}?filter=role:organization-admin"))


def test_roles_out_of_reach_are_kept_and_cannot_be_given(acme: Organization, client_of: ClientOf) -> None:
    boss_of_users = person("uadmin", memberships={acme: ["organization-user-admin"]})
    person("ada", memberships={acme: ["organization-auditor"]})
    client = client_of(boss_of_users)
    page = text_of(client.get("/organizations/acme/members/ada"))
    assert re.search(r'value="organization-auditor"[^>]*disabled', page)
    client.post("/organizations/acme/members/ada", {"roles": []})
    refused = client.post("/organizations/acme/members/ada", {"roles": ["organization-admin"]})
    assert refused.status_code == 403
    assert "not authorized" in text_of(refused)
    assert OrganizationMember.objects.get(user__username="ada").roles == ["organization-auditor"]


def test_group_is_made_with_an_allowance_filled_and_deleted(acme: Organization, client_of: ClientOf) -> None:
    client = client_of(owner())
    person("ada", memberships={acme: []})
    base = "/organizations/acme/groups"
    bad = client.post(f"{base}/new", {"name": "everyone", "quota_allowance": "-1"})
    assert bad.status_code == 400
    client.post(f"{base}/new", {"name": "devs", "quota_allowance": "5"})
    group = Group.objects.get(name="devs")
    url = f"{base}/{group.id}"
    assert group.quota_allowance == 5
    went(client.post(f"{url}/add", {"user": "ada"}), url)
    assert "Take ada out of the group" in text_of(client.get(url))
    assert client.post(f"{url}/add", {"user": "nobody"}).status_code == 404
    went(client.post(f"{url}/remove", {"user": "ada"}), url)
    went(client.post(url, {"name": "devs", "display_name": "Developers", "quota_allowance": "9"}), url)
    group.refresh_from_db()
    assert (group.display_name, group.quota_allowance) == ("Developers", 9)
    everyone = f"{base}/{acme.id}"
    assert client.post(everyone, {"display_name": "", "quota_allowance": "3"}).status_code == 302
    assert Group.objects.get(id=acme.id).quota_allowance == 3
    assert f"/organizations/coder/groups/{group.id}" not in text_of(client.get(base))
    assert client.get(f"/organizations/coder/groups/{group.id}").status_code == 404
    went(client.post(f"{url}/delete"), base)


def test_custom_role_is_made_given_changed_and_deleted(acme: Organization, client_of: ClientOf) -> None:
    admin = person("admin", memberships={acme: ["organization-admin"]})
    ada = person("ada", memberships={acme: []})
    client = client_of(admin)
    base = "/organizations/acme/roles"
    reserved = client.post(f"{base}/new", {"name": "organization-admin"})
    assert (reserved.status_code, "built-in role" in text_of(reserved)) == (400, True)
    page = text_of(client.get(f"{base}/new"))
    assert re.search(r'value="workspace:ssh"[^>]*disabled', page)
    beyond = client.post(f"{base}/new", {"name": "x", "permission": ["workspace:ssh"]})
    assert (beyond.status_code, "cannot grant what you do not hold" in text_of(beyond)) == (403, True)
    went(
        client.post(
            f"{base}/new",
            {"name": "cleaner", "permission": ["workspace:read", "prebuilt_workspace:delete"]},
        ),
        base,
    )
    client.post("/organizations/acme/members/ada", {"roles": ["cleaner"]})
    assert OrganizationMember.objects.get(user=ada).roles == ["cleaner"]
    page = text_of(client.get(f"{base}/cleaner"))
    assert re.search(r'value="prebuilt_workspace:delete" checked', page)
    went(client.post(f"{base}/cleaner", {"display_name": "Cleaner", "permission": ["workspace:read"]}), base)
    assert len(CustomRole.objects.get().organization_permissions) == 1
    went(client.post(f"{base}/cleaner/delete"), base)
    assert OrganizationMember.objects.get(user=ada).roles == []


def test_user_is_made_suspended_activated_and_deleted(client_of: ClientOf) -> None:
    client = client_of(owner())
    body: dict[str, str | list[str]] = {
        "username": "ada",
        "email": "ada@example.com",
        "login_type": "password",
        "password": "short",
    }
    weak = client.post("/people/users/new", body)
    assert (weak.status_code, "too short" in text_of(weak)) == (400, True)
    assert "short</" not in text_of(weak)
    body |= {"password": PASSWORD, "organizations": [str(default_organization().id)]}
    went(client.post("/people/users/new", body), "/people/users/ada")
    ada = User.objects.get(username="ada")
    assert ada.memberships.count() == 1
    went(client.post("/people/users/ada/roles", {"roles": ["auditor"]}), "/people/users/ada")
    adas = client_of(ada)
    assert adas.get("/account").status_code == 200
    went(client.post("/people/users/ada/status", {"status": "suspended"}), "/people/users/ada")
    assert adas.get("/account").status_code == 302
    assert "Suspended" in text_of(client.get("/people/users/ada"))
    client.post("/people/users/ada/status", {"status": "active"})
    assert adas.get("/account").status_code == 200
    went(
        client.post("/people/users/ada/password", {"password": "another-good-password"}), "/people/users/ada"
    )
    assert adas.get("/account").status_code == 302
    went(client.post("/people/users/ada/delete"), "/people/users")
    assert client.get("/people/users/ada").status_code == 404
    assert "Clear filters" in text_of(client.get("/people/users?filter=status:suspended"))
    assert client.get("/people/users?filter=status:odd").status_code == 200


def test_tokens_are_shown_once_and_revoked(client_of: ClientOf) -> None:
    client = client_of(person("ada"))
    made = client.post("/account/tokens", {"name": "ci", "lifetime": "7", "scope": "all"})
    assert made.status_code == 201
    token = re.search(r"\b[a-zA-Z0-9]{10}-[a-zA-Z0-9]{22}\b", text_of(made))
    assert token is not None
    assert Client().get("/api/v2/users/me", HTTP_AUTHORIZATION=f"Bearer {token[0]}").status_code == 200
    again = text_of(client.get("/account/tokens"))
    assert token[0] not in again
    assert "ci" in again
    twice = client.post("/account/tokens", {"name": "ci", "lifetime": "7", "scope": "all"})
    assert (twice.status_code, "already in use" in text_of(twice)) == (409, True)
    odd = client.post("/account/tokens", {"name": "x", "lifetime": "9000", "scope": "everything"})
    assert odd.status_code == 400
    key = APIKey.objects.get()
    went(client.post(f"/account/tokens/{key.id}/revoke"), "/account/tokens")
    assert Client().get("/api/v2/users/me", HTTP_CODER_SESSION_TOKEN=token[0]).status_code == 401
    bobs, _ = services.token_create(subject(bob := person("bob")), user=bob)
    assert client.post(f"/account/tokens/{bobs.id}/revoke").status_code == 404


def sign_in(agent: str) -> Client:
    client = Client(HTTP_USER_AGENT=agent, HTTP_HOST="localhost")
    assert client.post("/login", {"username": "ada", "password": PASSWORD}).status_code == 302
    return client


FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
CHROME = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/130.0 Safari/537.36"


def test_sessions_are_listed_and_ended() -> None:
    cache.clear()
    ada = person("ada")
    here, there, third = sign_in(FIREFOX), sign_in(CHROME), sign_in(CHROME)
    page = text_of(here.get("/account/sessions"))
    assert "logged in at 3 places" in page
    assert "Firefox on Linux" in page
    assert page.count("Chrome on Windows") == 2
    assert page.count("This one") == 1
    for row in BrowserSession.objects.all():
        assert row.session_key not in page
    other = BrowserSession.objects.get(session_key=there.session.session_key)
    went(here.post(f"/account/sessions/{other.public_id}/end"), "/account/sessions")
    assert there.get("/account").status_code == 302
    assert third.get("/account").status_code == 200
    went(here.post("/account/sessions/end"), "/account/sessions")
    assert third.get("/account").status_code == 302
    assert here.get("/account").status_code == 200
    assert here.post(f"/account/sessions/{other.public_id}/end").status_code == 404
    fact = AuditLog.objects.filter(action="logout").latest("time")
    assert (fact.username, fact.additional_fields) == ("ada", {"sessions_ended": 1})
    assert BrowserSession.objects.get(user=ada).ip_address == "127.0.0.1"


def test_sessions_of_others_are_the_owners_business(client_of: ClientOf) -> None:
    cache.clear()
    person("ada")
    adas = sign_in(FIREFOX)
    url = "/api/v2/users/ada/sessions"
    assert client_of(person("uadmin", roles=["user-admin"])).get(url).status_code == 404
    boss = client_of(owner())
    found = boss.get(url).json()
    assert [(one["kind"], one["current"]) for one in found] == [("browser", False)]
    assert boss.delete(f"{url}/{found[0]['id']}").status_code == 204
    assert adas.get("/account").status_code == 302
    assert boss.delete(f"{url}/{found[0]['id']}").status_code == 404
    assert boss.delete(f"{url}/garbage").status_code == 404


def test_profile_and_password_are_ones_own(client_of: ClientOf) -> None:
    cache.clear()
    person("ada")
    here, there = sign_in(FIREFOX), sign_in(CHROME)
    went(here.post("/account", {"form": "profile", "username": "ada-2", "name": "Ada"}), "/account")
    assert "ada-2" in text_of(here.get("/account"))
    wrong = here.post("/account", {"form": "password", "old_password": "x", "password": "another-good-one"})
    assert (wrong.status_code, "Old password is incorrect" in text_of(wrong)) == (400, True)
    body = {"form": "password", "old_password": PASSWORD, "password": "another-good-password"}
    went(here.post("/account", body), "/account")
    assert here.get("/account").status_code == 200
    assert there.get("/account").status_code == 302


def test_sync_settings_are_edited_and_tried(acme: Organization, client_of: ClientOf) -> None:
    boss = owner()
    client = client_of(boss)
    url = "/identity"
    went(client.post(url, {"action": "organizations-config", "field": "orgs"}), url)
    went(client.post(url, {"action": "organizations-add", "given": "a", "gets": str(acme.id)}), url)
    odd = client.post(url, {"action": "organizations-add", "given": "a", "gets": "nonsense"})
    assert (odd.status_code, "Choose what the claim value" in text_of(odd)) == (400, True)
    tried = client.post(url, {"action": "dry-run", "user": "", "claims": '{"orgs": ["a", "b"]}'})
    assert "Becomes a member" in text_of(tried)
    assert "is not mapped to an organization" in text_of(tried)
    assert not OrganizationMember.objects.filter(organization=acme).exists()
    for claims, says in (
        ("{", "no JSON"),
        ("[1]", "one JSON object"),
        ('{"orgs": 5}', "cannot be read"),
        ("[" * 90_000, "nested too deeply"),
    ):
        bad = client.post(url, {"action": "dry-run", "claims": claims})
        assert (bad.status_code, says in text_of(bad)) == (400, True), claims[:20]
    assert "known to you here" in text_of(client.post(url, {"action": "dry-run", "user": "nobody"}))
    went(client.post(url, {"action": "organizations-remove", "given": "a", "gets": str(acme.id)}), url)
    assert client.post(url, {"action": "nonsense"}).status_code == 404
    kinds = AuditLog.objects.filter(resource_type="idp_sync_settings_organization")
    assert [set(row.diff) for row in kinds.order_by("time")] == [
        {"field", "organization_assign_default"},
        {"mapping"},
        {"mapping"},
    ]


def test_sync_settings_of_one_organization(acme: Organization, client_of: ClientOf) -> None:
    admin = person("admin", memberships={acme: ["organization-admin"]})
    ada = person("ada", memberships={acme: ["organization-auditor"]})
    group = services.group_create(subject(owner()), organization=acme, name="devs")
    client = client_of(admin)
    url = "/organizations/acme/identity"
    body = {"action": "groups-config", "field": "groups", "regex_filter": "(", "auto_create": "on"}
    bad = client.post(url, body)
    assert (bad.status_code, "no regular expression" in text_of(bad)) == (400, True)
    went(client.post(url, body | {"regex_filter": "^d"}), url)
    went(client.post(url, {"action": "groups-add", "given": "dx", "gets": str(group.id)}), url)
    went(client.post(url, {"action": "roles-config", "field": "roles"}), url)
    went(client.post(url, {"action": "roles-add", "given": "lead", "gets": "organization-admin"}), url)
    tried = text_of(
        client.post(
            url, {"action": "dry-run", "user": "ada", "claims": '{"groups": ["dx", "dy"], "roles": "lead"}'}
        )
    )
    for line in (
        "Joins the group devs",
        "Joins the group dy, which is created",
        "Gets the role organization-admin",
        "Loses the role organization-auditor",
    ):
        assert line in tried
    assert ada.memberships.get().roles == ["organization-auditor"]
    member = client_of(ada)
    assert member.get(url).status_code == 403
    assert member.post(url, {"action": "groups-config", "field": ""}).status_code == 403


def test_setup_makes_the_first_account_and_closes() -> None:
    client = Client(HTTP_HOST="localhost")
    went(client.get("/login"), "/setup")
    weak = client.post("/setup", {"username": "ada", "email": "ada@example.com", "password": "1234567890"})
    assert (weak.status_code, "common" in text_of(weak)) == (400, True)
    body = {"username": "ada", "email": "ada@example.com", "password": PASSWORD}
    went(client.post("/setup", body), "/")
    assert User.objects.get(username="ada").rbac_roles == ["owner"]
    assert client.get("/account").status_code == 200
    went(Client(HTTP_HOST="localhost").get("/setup"), "/login")
    went(Client(HTTP_HOST="localhost").post("/setup", body), "/login")


def test_lists_cost_the_same_with_many_rows(
    acme: Organization, client_of: ClientOf, django_assert_max_num_queries: Any
) -> None:
    boss = owner()
    client = client_of(boss)
    pages = ("/organizations", "/organizations/acme/members", "/organizations/acme/groups", "/people/users")
    for url in pages:
        client.get(url)
    for number in range(8):
        organization(f"org-{number}")
        person(f"user-{number}", memberships={acme: ["organization-auditor"]})
        services.group_create(subject(boss), organization=acme, name=f"group-{number}")
    for url in (*pages, "/organizations/acme/roles"):
        with django_assert_max_num_queries(16):
            assert client.get(url).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_lists_of_people_hear_of_every_change(client_of: ClientOf) -> None:
    """What the lists follow is what services announce."""
    boss = owner()
    heard: list[str] = []
    undo = events.subscribe("", lambda topic, event: heard.append(topic))
    acme = organization("acme")
    pages = {
        "/people/users": USERS_TOPIC,
        "/people": f"people:{acme.pk}",
        "/people/groups": f"people:{acme.pk}",
        "/organizations/acme/members": f"people:{acme.pk}",
        "/organizations/acme/groups": f"people:{acme.pk}",
    }
    for path, topic in pages.items():
        assert topic in client_of(boss).get(path).content.decode(), path
    try:
        ada = person("ada", memberships={})
        actor = subject(boss)
        steps: dict[str, Callable[[], object]] = {
            "status": lambda: services.user_status_set(actor, user=ada, status=UserStatus.SUSPENDED),
            "join": lambda: services.member_add(actor, organization=acme, user=ada),
            "group": lambda: services.group_create(actor, organization=acme, name="devs"),
        }
        expected = {"status": USERS_TOPIC, "join": f"people:{acme.pk}", "group": f"people:{acme.pk}"}
        for name, step in steps.items():
            heard.clear()
            step()
            assert expected[name] in heard, name
    finally:
        undo()
