"""The API as a whole: routes, errors, documentation, deny by default."""

from __future__ import annotations

import json
import os
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.http import Http404
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework import exceptions, serializers
from rest_framework.permissions import AllowAny
from structlog.testing import capture_logs

from coder_admin.api.errors import handle_exception
from coder_admin.foundation.errors import Conflict, Validation
from rbac import Action, Denied, RbacObject, ResourceType, Subject
from tests.people import client, default_organization, json_of, organization, owner, person

# Who may be called without login, because the view says so itself. A new entry needs a good reason.
PUBLIC = {
    "BuildInfoView",
    "CspReportView",
    "FirstUserView",
    "LoginView",
    "AuthMethodsView",
    "UnknownRouteView",
    "SpectacularJSONAPIView",
    "SpectacularSwaggerSplitView",
}

SAMPLE = {"uuid": str(uuid.uuid4()), "int": "1"}


def views() -> Iterator[tuple[str, Any]]:
    def walk(patterns: list[Any], prefix: str) -> Iterator[tuple[str, Any]]:
        for entry in patterns:
            path = prefix + str(entry.pattern)
            if isinstance(entry, URLResolver):
                yield from walk(entry.url_patterns, path)
            elif isinstance(entry, URLPattern):
                yield path, entry.callback

    yield from ((p, v) for p, v in walk(get_resolver().url_patterns, "") if p.startswith("api/"))


def test_every_api_view_wants_a_login_unless_listed() -> None:
    public = set()
    for path, view in views():
        cls = getattr(view, "cls", None) or getattr(view, "view_class", None)
        assert cls is not None, f"{path}: views of the API are REST views"
        assert cls.permission_classes, f"{path} declares no permission"
        options = getattr(view, "initkwargs", {})
        if AllowAny in options.get("permission_classes", cls.permission_classes):
            public.add(cls.__name__)
    assert public == PUBLIC


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_nobody_and_a_wrong_token_get_401_from_every_route(method: str) -> None:
    """Generated from the URL configuration, so that a new route cannot be forgotten."""
    nobody, wrong = client(), client()
    wrong.credentials(HTTP_CODER_SESSION_TOKEN="wrong")
    seen = 0
    for path, view in views():
        if getattr(view, "cls", None) is None or view.cls.__name__ in PUBLIC:
            continue
        url = "/" + re.sub(r"<(\w+):\w+>", lambda m: SAMPLE.get(m[1], "x"), path)
        for http in (nobody, wrong):
            response = getattr(http, method)(url, {}, format="json")
            assert response.status_code == 401, (method, url, response.status_code)
            assert set(json_of(response)) == {"message", "detail", "validations"}
        seen += 1
    assert seen > 30


@pytest.mark.django_db
def test_policy_reports_are_logged_shortly_and_not_without_end() -> None:
    cache.clear()
    http = Client()
    body = {"csp-report": {"blocked-uri": "https://evil.example/" + "x" * 900, "other": "secret"}}
    with capture_logs() as logs:
        answer = http.post("/api/v2/csp/reports", json.dumps(body), content_type="application/csp-report")
    assert answer.status_code == 200
    [entry] = [e for e in logs if e["event"] == "content security policy violated"]
    assert len(entry["blocked_uri"]) == 300
    assert "secret" not in str(entry)
    for wrong in ("[]", "7", '{"csp-report": 7}', "{}"):
        sent = http.post("/api/v2/csp/reports", wrong, content_type="application/csp-report")
        assert sent.status_code == 200
    codes = {
        http.post("/api/v2/csp/reports", "{}", content_type="application/json").status_code for _ in range(70)
    }
    assert codes == {200, 429}
    cache.clear()


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_unknown_route_is_404_in_the_common_shape(method: str) -> None:
    for http in (client(), client(owner())):
        response = getattr(http, method)("/api/v2/no/such/thing")
        assert response.status_code == 404
        assert json_of(response)["message"] == "Route not found."


@pytest.mark.django_db
def test_wrong_method_and_wrong_body_have_the_common_shape() -> None:
    http = client(owner())
    assert json_of(http.put("/api/v2/users"))["validations"] == []
    assert http.put("/api/v2/users").status_code == 405
    broken = http.post("/api/v2/users", "{", content_type="application/json")
    assert (broken.status_code, set(json_of(broken))) == (400, {"message", "detail", "validations"})
    assert http.post("/api/v2/users", "x", content_type="text/plain").status_code == 415


def handled(error: Exception) -> tuple[int, dict[str, Any]]:
    response = handle_exception(error, {})
    assert set(response.data) == {"message", "detail", "validations"}
    return response.status_code, response.data


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/api/v2/notifications/inbox", "/api/v2/users", "/api/v2/workspaces"])
def test_a_query_without_end_is_a_400_in_the_common_shape(path: str) -> None:
    query = "&".join(f"a{n}=1" for n in range(1_500))
    answer = client(owner()).get(f"{path}?{query}")
    assert answer.status_code == 400
    assert "At most 1000" in json_of(answer)["detail"]


def test_errors_become_their_status() -> None:
    status, body = handled(Conflict("taken", detail="d", validations=[Validation("name", "x")]))
    assert (status, body["validations"]) == (409, [{"field": "name", "detail": "x"}])
    denied = Denied(Subject("u"), Action.READ, RbacObject(ResourceType.TEMPLATE, id="secret-id"))
    assert handled(denied)[0] == handled(Http404())[0] == 404
    assert "secret-id" not in str(handled(denied)[1])
    assert handled(exceptions.NotAuthenticated())[0] == 401
    assert handled(exceptions.PermissionDenied())[0] == 403
    assert handled(exceptions.Throttled(wait=3))[0] == 429


def test_nested_serializer_errors_are_flattened() -> None:
    error = serializers.ValidationError({"a": {"b": ["one", "two"]}, "c": [{}, {"d": ["three"]}]})
    assert handled(error)[1]["validations"] == [
        {"field": "a.b", "detail": "one"},
        {"field": "a.b", "detail": "two"},
        {"field": "c.1.d", "detail": "three"},
    ]


def test_unexpected_error_tells_nothing_of_its_inside() -> None:
    status, body = handled(RuntimeError("password=hunter2"))
    assert status == 500
    assert "hunter2" not in str(body)
    assert "request id" in body["detail"]


@pytest.mark.django_db
def test_build_info_needs_no_login() -> None:
    body = json_of(client().get("/api/v2/buildinfo"))
    assert body["version"].startswith("v")


@pytest.mark.django_db
def test_openapi_names_every_route_of_identity() -> None:
    document = client().get("/api/v2/openapi.json").json()
    assert "/api/v2/users/{user}/keys/tokens" in document["paths"]
    assert "SessionToken" in document["components"]["securitySchemes"]


@pytest.mark.django_db
def test_openapi_describes_every_operation_once_without_complaint() -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", os.devnull)
    document = client().get("/api/v2/openapi.json").json()
    operations = [
        operation["operationId"]
        for methods in document["paths"].values()
        for method, operation in methods.items()
        if method in ("get", "post", "put", "patch", "delete")
    ]
    assert len(operations) == len(set(operations))


@pytest.mark.django_db
def test_documentation_page_works_under_the_content_security_policy() -> None:
    page = Client().get("/api/docs")
    text = page.content.decode()
    assert page.status_code == 200
    assert "<style" not in text
    assert "<script>" not in text
    assert "script-src 'self'" in page["Content-Security-Policy"]
    script = Client().get("/api/docs?script=")
    assert script["Content-Type"].startswith("application/javascript")


# --- authcheck --------------------------------------------------------------------------------------------


def check(type_: str, action: str, **fields: Any) -> dict[str, Any]:
    return {"object": {"resource_type": type_} | fields, "action": action}


@pytest.mark.django_db
def test_authcheck_answers_by_the_policy() -> None:
    acme = organization("acme")
    admin = person("admin", memberships={acme: ["organization-template-admin"]})
    checks = {
        "mine": check("workspace", "create", owner_id="me", organization_id=str(acme.id)),
        "theirs": check("workspace", "create", owner_id="x", organization_id=str(acme.id)),
        "anywhere": check("template", "create", any_org=True),
        "site": check("template", "create"),
        "here": check("organization", "read", resource_id=str(acme.id)),
        "there": check("organization", "read", resource_id=str(default_organization().id)),
        "absent": check("template", "read", resource_id="nonsense"),
    }
    answer = json_of(client(admin).post("/api/v2/authcheck", {"checks": checks}, format="json"))
    assert answer == {
        "mine": True,
        "theirs": False,
        "anywhere": True,
        "site": False,
        "here": True,
        "there": False,
        "absent": False,
    }


@pytest.mark.django_db
@pytest.mark.parametrize(
    "checks",
    [
        {"x": check("unicorn", "read")},
        {"x": check("template", "fly")},
        {"x": check("prebuilt_workspace", "read")},
        {"x": {}},
        [],
        {str(i): check("template", "read") for i in range(101)},
    ],
)
def test_bad_authcheck_is_400(checks: Any) -> None:
    response = client(person("ada")).post("/api/v2/authcheck", {"checks": checks}, format="json")
    assert response.status_code == 400


@pytest.mark.django_db
@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"a":' * 100_000, b"1" * 5_000, b'"\\ud800"', b"\xff", b"{"]
)
def test_a_body_that_is_no_readable_json_is_a_400(body: bytes) -> None:
    for path in ("/api/v2/authcheck", "/api/v2/csp/reports", "/api/v2/users/login"):
        response = client(owner(f"boss-{uuid.uuid4().hex[:8]}")).post(
            path, data=body, content_type="application/json"
        )
        assert response.status_code == 400, (path, response.content)
        assert json_of(response)["message"]
