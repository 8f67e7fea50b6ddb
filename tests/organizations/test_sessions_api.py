"""First user, login, logout and tokens, over HTTP."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from coder_admin.audit.models import AuditLog
from coder_admin.organizations import services
from coder_admin.organizations.models import PREBUILDS_USER_ID, APIKey, User
from rbac import Action, RbacObject, ResourceType
from rbac.django import may
from tests.people import (
    PASSWORD,
    client,
    default_organization,
    json_of,
    organization,
    owner,
    person,
    subject,
)

pytestmark = pytest.mark.django_db
URL = "/api/v2"


@pytest.fixture(autouse=True)
def _fresh_counters() -> None:
    cache.clear()


def log_in(login: str, password: str = PASSWORD) -> tuple[int, dict[str, object]]:
    response = APIClient().post(f"{URL}/users/login", {"email": login, "password": password}, format="json")
    return response.status_code, json_of(response)


def test_first_user_is_made_once_and_owns_the_deployment() -> None:
    http = APIClient()
    assert http.get(f"{URL}/users/first").status_code == 404
    body = {"username": "ada", "email": "ada@example.com", "password": PASSWORD}
    made = http.post(f"{URL}/users/first", body, format="json")
    assert made.status_code == 201
    assert made.json()["organization_id"] == str(default_organization().id)
    assert http.get(f"{URL}/users/first").status_code == 200
    assert http.post(f"{URL}/users/first", body, format="json").status_code == 409
    ada = User.objects.get(username="ada")
    assert ada.rbac_roles == ["owner"]
    assert may(subject(ada), Action.UPDATE, RbacObject(ResourceType.DEPLOYMENT_CONFIG))


def test_initial_admin_is_made_once_with_the_given_or_a_printed_password() -> None:
    user, printed = services.ensure_initial_admin(None)
    assert user is not None
    assert printed is not None
    assert (user.username, user.email) == ("admin", "admin@example.com")
    assert log_in("admin@example.com", printed)[0] == 201
    assert services.ensure_initial_admin(None) == (None, None)


def test_initial_admin_with_a_given_password_prints_nothing() -> None:
    user, printed = services.ensure_initial_admin(PASSWORD)
    assert user is not None
    assert printed is None
    assert log_in("admin")[0] == 201


@pytest.mark.parametrize("login", ["ada@example.com", "ada", "ADA", "Ada@Example.com"])
def test_login_by_email_or_username_gives_a_token_that_works(login: str) -> None:
    person("ada")
    status, body = log_in(login)
    assert status == 201
    http = APIClient()
    for header in (
        {"HTTP_CODER_SESSION_TOKEN": body["session_token"]},
        {"HTTP_AUTHORIZATION": f"Bearer {body['session_token']}"},
    ):
        assert json_of(http.get(f"{URL}/users/me", **header))["username"] == "ada"


@pytest.mark.parametrize(
    "login", ["nobody@example.com", "ada@example.com", "prebuilds@system", "prebuilds", "x\x00"]
)
def test_wrong_credentials_have_one_answer(login: str) -> None:
    person("ada")
    status, body = log_in(login, "none" if login.startswith("prebuilds") else "wrong-password-here")
    assert status in (400, 401)
    if "\x00" not in login:
        assert (status, body["message"]) == (401, "Incorrect email or password.")


def test_prebuilds_user_cannot_log_in_nor_have_a_token() -> None:
    prebuilds = User.objects.get(id=PREBUILDS_USER_ID)
    assert prebuilds.password == "none"
    assert not prebuilds.check_password("none")
    response = client(owner()).post(f"{URL}/users/{prebuilds.id}/keys/tokens", {}, format="json")
    assert response.status_code == 400


def test_suspended_user_is_told_so_only_with_the_right_password_and_tokens_stop() -> None:
    boss, ada = owner(), person("ada")
    http = client(ada)
    assert http.get(f"{URL}/users/me").status_code == 200
    assert client(boss).put(f"{URL}/users/ada/status/suspend").status_code == 200
    assert http.get(f"{URL}/users/me").status_code == 401
    assert log_in("ada")[1]["message"] == "Your account is suspended."
    assert log_in("ada", "wrong-password-here")[1]["message"] == "Incorrect email or password."
    assert client(boss).put(f"{URL}/users/ada/status/activate").status_code == 200
    assert http.get(f"{URL}/users/me").status_code == 200


def test_guessing_is_throttled_per_account_and_a_success_forgives() -> None:
    person("ada")
    for _ in range(4):
        assert log_in("ada", "wrong-password-here")[0] == 401
    assert log_in("ada")[0] == 201
    for _ in range(5):
        assert log_in("ada", "wrong-password-here")[0] == 401
    status, body = log_in("ada")
    assert status == 429
    assert "60 seconds" in str(body["detail"])
    person("bob")
    assert log_in("bob")[0] == 201


def test_one_address_cannot_try_many_accounts() -> None:
    for number in range(30):
        log_in(f"someone-{number}", "wrong-password-here")
    person("ada")
    assert log_in("ada")[0] == 429


def test_login_and_its_failure_are_audited_without_the_password() -> None:
    person("ada")
    AuditLog.objects.all().delete()
    log_in("ada", "hunter2-hunter2")
    log_in("hunter2-hunter2", "x")
    log_in("ada")
    rows = [
        (r.action, r.status_code, r.resource_target, r.username) for r in AuditLog.objects.order_by("time")
    ]
    assert rows == [("login", 401, "ada", ""), ("login", 401, "", ""), ("login", 201, "ada", "ada")]
    assert "hunter2" not in str(list(AuditLog.objects.values()))


def test_logout_ends_the_session_token() -> None:
    person("ada")
    http = APIClient()
    http.credentials(HTTP_CODER_SESSION_TOKEN=str(log_in("ada")[1]["session_token"]))
    assert http.post(f"{URL}/users/logout").status_code == 200
    assert http.get(f"{URL}/users/me").status_code == 401


def test_browser_session_needs_its_csrf_token_to_write() -> None:
    ada = person("ada")
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(ada)
    assert browser.get(f"{URL}/users/me").status_code == 200
    refused = browser.post(f"{URL}/users/logout")
    assert refused.status_code == 403
    assert "CSRF" in json_of(refused)["message"]


def test_token_is_shown_once_stored_hashed_listed_and_revoked() -> None:
    ada = person("ada")
    http = client(ada)
    made = http.post(
        f"{URL}/users/me/keys/tokens", {"token_name": "ci", "lifetime": 3_600 * 10**9}, format="json"
    )
    assert made.status_code == 201
    token = made.json()["key"]
    key_id, secret = token.split("-")
    assert (len(key_id), len(secret)) == (10, 22)
    row = APIKey.objects.get(id=key_id)
    assert secret not in str(vars(row))
    assert row.lifetime_seconds == 3600
    listed = json_of(http.get(f"{URL}/users/me/keys/tokens"))
    assert {"ci"} < {t["token_name"] for t in listed}
    assert secret not in str(listed)
    named = json_of(http.get(f"{URL}/users/me/keys/tokens/ci"))
    assert named["id"] == key_id
    again = http.post(f"{URL}/users/me/keys/tokens", {"token_name": "ci"}, format="json")
    assert again.status_code == 409
    other = APIClient()
    other.credentials(HTTP_CODER_SESSION_TOKEN=token)
    assert other.get(f"{URL}/users/me").status_code == 200
    assert APIKey.objects.get(id=key_id).last_used is not None
    assert http.delete(f"{URL}/users/me/keys/{key_id}").status_code == 204
    assert other.get(f"{URL}/users/me").status_code == 401
    assert (
        "hashed_secret"
        in AuditLog.objects.filter(resource_type="api_key", action="create").latest("time").diff
    )
    assert row.hashed_secret not in str(list(AuditLog.objects.values_list("diff", flat=True)))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"lifetime": 10**9}, "lifetime"),
        ({"lifetime": 10**18}, "lifetime"),
        ({"lifetime": -1}, "lifetime"),
        ({"scope": "everything"}, "scope"),
        ({"token_name": "a b"}, "token_name"),
        ({"lifetime": "soon"}, "lifetime"),
    ],
)
def test_bad_token_wishes_are_named(body: dict[str, object], field: str) -> None:
    response = client(person("ada")).post(f"{URL}/users/me/keys/tokens", body, format="json")
    assert response.status_code == 400
    assert [v["field"] for v in response.json()["validations"]] == [field]


@pytest.mark.parametrize("text", ["x", "", "aaaaaaaaaa-bbbbbbbbbbbbbbbbbbbbbb", "a" * 5000, "é-ü"])
def test_wrong_token_is_401_and_never_ignored(text: str) -> None:
    http = APIClient()
    response = http.get(f"{URL}/users/me", HTTP_CODER_SESSION_TOKEN=text)
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"


def test_expired_token_stops_and_used_session_is_prolonged() -> None:
    ada = person("ada")
    now = timezone.now()
    key, text = services.token_create(subject(ada), user=ada, lifetime=timedelta(hours=1), now=now)
    assert services.authenticate_token(text, now=now + timedelta(minutes=59)) is not None
    assert services.authenticate_token(text, now=now + timedelta(hours=1)) is None
    session, session_text = services.api_key_create(subject(ada), user=ada, now=now)
    assert services.authenticate_token(session_text, now=now + timedelta(hours=20)) is not None
    session.refresh_from_db()
    assert session.expires_at == now + timedelta(hours=44)
    key.refresh_from_db()
    assert key.expires_at == now + timedelta(hours=1)


def test_narrow_scope_is_a_ceiling_for_a_token() -> None:
    boss = owner()
    _key, text = services.token_create(subject(boss), user=boss, scope="application_connect")
    http = APIClient()
    http.credentials(HTTP_CODER_SESSION_TOKEN=text)
    assert json_of(http.get(f"{URL}/users"))["users"] == []
    assert http.get(f"{URL}/organizations/default").status_code == 404


def test_tokens_of_others_are_theirs_and_the_owners_business() -> None:
    ada, bob, boss = person("ada"), person("bob"), owner()
    key, _ = services.token_create(subject(ada), user=ada, name="mine")
    assert client(bob).get(f"{URL}/users/ada/keys/{key.id}").status_code == 400
    assert (
        client(person("uadmin", roles=["user-admin"])).get(f"{URL}/users/ada/keys/{key.id}").status_code
        == 404
    )
    assert client(boss).get(f"{URL}/users/ada/keys/{key.id}").status_code == 200
    assert client(bob).delete(f"{URL}/users/bob/keys/{key.id}").status_code == 404


def test_setting_a_password_is_no_way_to_roles() -> None:
    acme = organization("acme")
    uadmin = client(person("uadmin", roles=["user-admin"]))
    body = {"password": "another-good-password"}
    owner()
    person("tadmin", roles=["template-admin"])
    person("oadmin", memberships={acme: ["organization-admin"]})
    person("ada", memberships={acme: []})
    codes = {
        name: uadmin.put(f"{URL}/users/{name}/password", body, format="json").status_code
        for name in ("boss", "tadmin", "oadmin", "ada")
    }
    assert codes == {"boss": 403, "tadmin": 403, "oadmin": 403, "ada": 204}
    assert client(owner("root")).put(f"{URL}/users/oadmin/password", body, format="json").status_code == 204


def test_old_password_cannot_be_guessed_from_an_open_session() -> None:
    http = client(person("ada"))
    body = {"old_password": "wrong-password-here", "password": "another-good-password"}
    codes = [http.put(f"{URL}/users/me/password", body, format="json").status_code for _ in range(6)]
    assert codes == [400] * 5 + [429]
    right = body | {"old_password": PASSWORD}
    assert http.put(f"{URL}/users/me/password", right, format="json").status_code == 429


def test_password_change_needs_the_old_one_and_ends_logins() -> None:
    person("ada")
    http = APIClient()
    http.credentials(HTTP_CODER_SESSION_TOKEN=str(log_in("ada")[1]["session_token"]))
    url = f"{URL}/users/me/password"
    bad = http.put(url, {"old_password": "nope", "password": "another-good-password"}, format="json")
    assert [v["field"] for v in bad.json()["validations"]] == ["old_password"]
    weak = http.put(url, {"old_password": PASSWORD, "password": "password"}, format="json")
    assert weak.status_code == 400
    assert {v["field"] for v in weak.json()["validations"]} == {"password"}
    good = http.put(url, {"old_password": PASSWORD, "password": "another-good-password"}, format="json")
    assert good.status_code == 204
    assert http.get(f"{URL}/users/me").status_code == 401
    assert log_in("ada", "another-good-password")[0] == 201
