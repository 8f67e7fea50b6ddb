"""Logging in with a real OpenID provider, from the first redirect to the session."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from coder_admin.audit.models import AuditLog
from coder_admin.organizations import services
from coder_admin.organizations.choices import LoginType
from coder_admin.organizations.idp.preview import preview
from coder_admin.organizations.models import Group, Organization, OrganizationMember, User, UserLink
from coder_admin.organizations.services import idp_settings
from rbac import SystemSubject, acting_as
from tests.oidc.conftest import Provider
from tests.people import default_organization, organization, owner, person, subject

pytestmark = [pytest.mark.django_db, pytest.mark.xdist_group("oidc")]


@pytest.fixture(autouse=True)
def boss() -> User:
    return owner()


def orgs_of(username: str) -> set[str]:
    rows = OrganizationMember.objects.filter(user__username=username)
    return set(rows.values_list("organization__name", flat=True))


def sync_organizations(boss: User, mapping: dict[str, list[Organization]], *, default: bool = False) -> None:
    from coder_admin.organizations.idp.config import OrganizationSync

    value = OrganizationSync("orgs", {k: tuple(o.id for o in v) for k, v in mapping.items()}, default)
    idp_settings.organization_sync_set(subject(boss), lambda _: value)


def test_first_login_makes_the_account_and_a_session(provider: Provider) -> None:
    browser = Client()
    response = provider.log_in(browser, "ada", "/templates?x=1", name="Ada Lovelace")
    assert (response.status_code, response["Location"]) == (302, "/templates?x=1")
    me = browser.get("/api/v2/users/me").json()
    assert (me["username"], me["name"], me["login_type"]) == ("ada", "Ada Lovelace", "oidc")
    assert orgs_of("ada") == {"coder"}
    link = UserLink.objects.get()
    assert (link.issuer, link.claims["email"]) == (provider.url, "ada@example.com")
    actions = list(AuditLog.objects.order_by("time").values_list("action", "resource_type", "status_code"))
    assert ("register", "user", 200) in actions
    assert actions[-1] == ("login", "api_key", 201)
    # The same person again is the same account, whatever the provider calls them now.
    again = provider.log_in(Client(), "ada", preferred_username="countess")
    assert again.status_code == 302
    assert User.objects.people().filter(login_type=LoginType.OIDC).count() == 1


def test_code_flow_uses_pkce_state_and_our_scopes(provider: Provider) -> None:
    browser = Client()
    query = parse_qs(urlsplit(browser.get("/login/oidc")["Location"]).query)
    assert query["response_type"] == ["code"]
    assert query["code_challenge_method"] == ["S256"]
    assert set(query["scope"][0].split()) == {"openid", "profile", "email"}
    assert query["state"]


def test_answer_meant_for_another_browser_or_used_twice_is_refused(provider: Provider) -> None:
    provider.say("ada", email="ada@example.com", email_verified=True)
    back = provider.answer("ada", Client().get("/login/oidc")["Location"])
    address = "/login/oidc/callback?" + urlsplit(back).query
    foreign = Client().get(address)
    assert foreign.status_code == 401
    assert "Start again" in foreign.content.decode()
    browser = Client()
    assert provider.log_in(browser, "ada").status_code == 302
    assert Client().get(address).status_code == 401
    assert Client().get("/login/oidc/callback").status_code == 401
    assert Client().get("/login/oidc/callback?error=access_denied&state=x").status_code == 401


def test_target_of_another_site_is_not_followed(provider: Provider) -> None:
    response = provider.log_in(Client(), "ada", "https://evil.example/")
    assert response["Location"] == "/"


def test_provider_that_is_down_or_talks_nonsense_is_one_error(settings: Any, provider: Provider) -> None:
    app = settings.SOCIALACCOUNT_PROVIDERS["openid_connect"]["APPS"][0]["settings"]
    app["server_url"] = "http://127.0.0.1:9"
    down = Client().get("/login/oidc")
    assert down.status_code == 502
    assert "cannot be reached" in down.content.decode()
    app["server_url"] = f"{provider.url}/.well-known/jwks.json"
    assert Client().get("/login/oidc").status_code == 502


def test_without_a_provider_there_is_no_such_login() -> None:
    assert Client().get("/login/oidc").status_code == 404
    assert Client().get("/login/oidc/callback").status_code == 404
    assert Client().get("/api/v2/users/authmethods").json()["oidc"]["enabled"] is False
    assert "Sign in with" not in Client().get("/login").content.decode()


def test_sign_in_page_and_authmethods_offer_it(provider: Provider) -> None:
    assert Client().get("/api/v2/users/authmethods").json()["oidc"]["enabled"] is True
    assert 'href="/login/oidc?next=%2F"' in Client().get("/login").content.decode()


@pytest.mark.parametrize(
    ("claims", "status", "text"),
    [
        ({"email": ""}, 400, "email"),
        ({"email": "nope"}, 400, "e-mail address"),
        ({"email": ["a@b.c"]}, 400, "must be a text"),
        ({"email_verified": False}, 403, "not verified"),
        ({"email_verified": "yes"}, 400, "true or false"),
        ({"preferred_username": 7}, 400, "must be a text"),
    ],
)
def test_bad_claims_refuse_the_login_and_leave_nothing(
    provider: Provider, claims: dict[str, Any], status: int, text: str
) -> None:
    before = User.objects.count()
    browser = Client()
    response = provider.log_in(browser, "ada", **claims)
    assert response.status_code == status
    assert text in response.content.decode()
    assert User.objects.count() == before
    assert not UserLink.objects.exists()
    assert browser.get("/api/v2/users/me").status_code == 401
    row = AuditLog.objects.latest("time")
    assert (row.action, row.status_code) == ("login", status)
    assert text in row.additional_fields["reason"]


def test_domains_groups_and_signups_are_the_deployments_choice(provider: Provider, settings: Any) -> None:
    settings.OIDC_EMAIL_DOMAIN = ["corp.example"]
    assert provider.log_in(Client(), "ada").status_code == 403
    assert provider.log_in(Client(), "ada", email="ada@CORP.example").status_code == 302
    settings.OIDC_EMAIL_DOMAIN = []
    settings.OIDC_GROUP_FIELD, settings.OIDC_ALLOWED_GROUPS = "groups", ["staff"]
    assert provider.log_in(Client(), "bob", groups=["guests"]).status_code == 403
    assert provider.log_in(Client(), "bob").status_code == 403
    assert provider.log_in(Client(), "bob", groups=[3]).status_code == 400
    assert provider.log_in(Client(), "bob", groups=["staff", "x"]).status_code == 302
    settings.OIDC_ALLOWED_GROUPS, settings.OIDC_ALLOW_SIGNUPS = [], False
    assert provider.log_in(Client(), "bob").status_code == 302
    refused = provider.log_in(Client(), "eve")
    assert refused.status_code == 403
    assert "new ones are not made" in refused.content.decode()
    assert not User.objects.filter(username="eve").exists()


def test_account_of_the_same_address_is_taken_over_only_if_made_for_it(provider: Provider) -> None:
    person("ada")
    refused = provider.log_in(Client(), "ada")
    assert refused.status_code == 403
    assert "does not log in with the identity provider" in refused.content.decode()
    with acting_as(SystemSubject.SYSTEM_RESTRICTED, reason="a test needs an account") as actor:
        services.user_create(
            actor, username="made", email="bob@example.com", password=None, login_type=LoginType.OIDC
        )
    unverified = provider.log_in(Client(), "bob", email_verified=None)
    assert unverified.status_code == 403
    browser = Client()
    assert provider.log_in(browser, "bob").status_code == 302
    assert browser.get("/api/v2/users/me").json()["username"] == "made"
    stranger = provider.log_in(Client(), "somebody-else", email="bob@example.com")
    assert stranger.status_code == 403


def test_names_are_made_valid_and_unique(provider: Provider) -> None:
    person("ada")
    provider.log_in(Client(), "one", email="x1@example.com", preferred_username="Ada@corp.example")
    provider.log_in(Client(), "two", email="x2@example.com", preferred_username="Jürgen  Müller!")
    provider.log_in(Client(), "three", email="x3@example.com", preferred_username="???")
    names = set(User.objects.filter(login_type="oidc").values_list("username", flat=True))
    assert names == {"Ada-2", "Jurgen-Muller", "user"}


def test_suspended_stays_out_and_dormant_wakes_up(provider: Provider) -> None:
    provider.log_in(Client(), "ada")
    User.objects.filter(username="ada").update(status="suspended")
    assert provider.log_in(Client(), "ada").status_code == 401
    User.objects.filter(username="ada").update(status="dormant")
    assert provider.log_in(Client(), "ada").status_code == 302
    assert User.objects.get(username="ada").status == "active"


def test_deleted_account_does_not_keep_the_person_out(provider: Provider, boss: User) -> None:
    provider.log_in(Client(), "ada")
    services.user_delete(subject(boss), user=User.objects.get(username="ada"))
    assert provider.log_in(Client(), "ada").status_code == 302
    assert User.objects.filter(username="ada").count() == 2


def test_sync_follows_the_claims_at_each_login(provider: Provider, boss: User) -> None:
    acme, gone = organization("acme"), organization("gone")
    sync_organizations(boss, {"a": [acme, gone], "d": [default_organization()]})
    services.organization_delete(subject(boss), organization=gone)
    devs = services.group_create(subject(boss), organization=acme, name="devs")
    http = Client()
    http.force_login(boss)
    for path, body in (
        ("groups", {"field": "groups", "auto_create_missing_groups": True, "regex_filter": "^(?i:d|n)"}),
        ("roles", {"field": "roles", "mapping": {"lead": ["organization-admin"]}}),
    ):
        url = f"/api/v2/organizations/acme/settings/idpsync/{path}"
        assert http.patch(url, body, content_type="application/json").status_code == 200
    claims: dict[str, Any] = {"orgs": ["a", "x"], "groups": ["DEVS", "new", "secret"], "roles": ["lead", "?"]}
    browser = Client()
    assert provider.log_in(browser, "ada", **claims).status_code == 302
    assert orgs_of("ada") == {"acme"}
    ada = User.objects.get(username="ada")
    assert set(ada.group_memberships.values_list("group__name", flat=True)) == {"devs", "new"}
    assert Group.objects.get(name="new").source == "oidc"
    assert ada.memberships.get().roles == ["organization-admin"]
    assert browser.get("/api/v2/organizations/acme/members").status_code == 200
    audited = AuditLog.objects.filter(resource_type__in=["organization_member", "group"], action="write")
    assert all(row.additional_fields["automatic"] for row in audited)
    # Nothing changes the second time.
    AuditLog.objects.all().delete()
    provider.log_in(Client(), "ada", **claims)
    assert list(AuditLog.objects.values_list("action", flat=True)) == ["login"]
    # Claims gone: memberships, groups and roles go.
    provider.log_in(Client(), "ada", orgs=["d"])
    assert orgs_of("ada") == {"coder"}
    assert not ada.group_memberships.exists()
    assert devs.auth_group.user_set.count() == 0
    provider.log_in(Client(), "ada")
    assert orgs_of("ada") == set()


@pytest.mark.parametrize("value", ["a,b", 7, {"a": 1}, ["a", 3], True])
def test_organization_claim_of_a_wrong_type_refuses_the_login_and_changes_nothing(
    provider: Provider, boss: User, value: Any
) -> None:
    acme = organization("acme")
    sync_organizations(boss, {"a": [acme]})
    provider.log_in(Client(), "ada", orgs="a")
    before = list(AuditLog.objects.values_list("id", flat=True))
    browser = Client()
    response = provider.log_in(browser, "ada", orgs=value)
    assert response.status_code == 400
    assert "The claim &quot;orgs&quot; cannot be read" in response.content.decode()
    assert orgs_of("ada") == {"acme"}
    new = AuditLog.objects.exclude(id__in=before)
    assert [(row.action, row.status_code) for row in new] == [("login", 400)]
    assert UserLink.objects.get().claims["orgs"] == "a"
    assert browser.get("/api/v2/users/me").status_code == 401


def test_site_roles_follow_the_environment(provider: Provider, settings: Any) -> None:
    settings.OIDC_USER_ROLE_FIELD = "site"
    settings.OIDC_USER_ROLE_MAPPING = {"ops": ["template-admin", "nonsense"]}
    settings.OIDC_USER_ROLE_DEFAULT = ["auditor"]
    provider.log_in(Client(), "ada", site=["ops", "user-admin", "organization-admin"])
    ada = User.objects.get(username="ada")
    assert set(ada.rbac_roles) == {"auditor", "template-admin", "user-admin"}
    provider.log_in(Client(), "ada")
    ada.refresh_from_db()
    assert ada.rbac_roles == ["auditor"]
    provider.log_in(Client(), "ada", site=5)
    ada.refresh_from_db()
    assert ada.rbac_roles == ["auditor"]
    with pytest.raises(Exception, match="follow the identity provider"):
        services.user_roles_set(subject(User.objects.get(username="boss")), user=ada, roles=[])


def test_the_last_owner_stays_one_and_the_trail_says_so(
    provider: Provider, boss: User, settings: Any
) -> None:
    settings.OIDC_USER_ROLE_FIELD = "site"
    provider.log_in(Client(), "ada", site=["owner"])
    ada = User.objects.get(username="ada")
    assert ada.rbac_roles == ["owner"]
    User.objects.filter(pk=boss.pk).update(rbac_roles=[])
    shown = preview({"site": []}, user=ada)
    assert shown.lines == ()
    assert "it stays" in shown.notes[0].text
    provider.log_in(Client(), "ada", site=[])
    assert User.objects.get(pk=ada.pk).rbac_roles == ["owner"]
    kept = AuditLog.objects.get(resource_id=str(ada.pk), status_code=409)
    assert "nobody else holds it" in kept.additional_fields["reason"]
    User.objects.filter(pk=boss.pk).update(rbac_roles=["owner"])
    provider.log_in(Client(), "ada", site=[])
    assert User.objects.get(pk=ada.pk).rbac_roles == []


def test_synced_memberships_and_roles_are_not_changed_by_hand(provider: Provider, boss: User) -> None:
    acme = organization("acme")
    sync_organizations(boss, {"a": [acme]})
    provider.log_in(Client(), "ada", orgs=["a"])
    http = Client()
    http.force_login(boss)
    other = organization("other")
    refused = http.post(f"/api/v2/organizations/{other.name}/members/ada")
    assert refused.status_code == 400
    assert "follow the identity provider" in refused.json()["message"]
    url = "/api/v2/organizations/acme/members/ada/roles"
    body = {"roles": ["organization-auditor"]}
    assert http.put(url, body, content_type="application/json").status_code == 200
    sync = "/api/v2/organizations/acme/settings/idpsync/roles"
    assert http.patch(sync, {"field": "roles"}, content_type="application/json").status_code == 200
    refused = http.put(url, {"roles": []}, content_type="application/json")
    assert refused.status_code == 400
    assert "follow the identity provider" in refused.json()["message"]


def test_password_login_is_closed_to_such_accounts_and_can_be_closed_to_all_but_owners(
    provider: Provider, settings: Any
) -> None:
    from tests.people import PASSWORD

    person("bob")
    settings.DISABLE_PASSWORD_AUTH = True
    for login, status in (("bob", 401), ("boss", 201)):
        body = {"email": login, "password": PASSWORD}
        response = Client().post("/api/v2/users/login", body, content_type="application/json")
        assert response.status_code == status
    page = Client().get("/login").content.decode()
    assert "owners only" in page
