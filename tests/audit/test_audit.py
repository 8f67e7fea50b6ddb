"""The audit trail: rows, diffs, request context, and reading with filters over HTTP."""

from __future__ import annotations

import csv
import io
import json
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.cache import cache
from django.db import transaction

from coder_admin.audit.choices import AuditedAction, AuditedType
from coder_admin.audit.context import RequestContext, current, request_context
from coder_admin.audit.describe import description, spoken
from coder_admin.audit.diffs import Tracked
from coder_admin.audit.export import as_csv
from coder_admin.audit.models import AuditLog
from coder_admin.audit.refusals import record_refusal
from coder_admin.audit.services import record
from coder_admin.catalog.models import Template
from coder_admin.organizations.models import PREBUILDS_USER_ID
from rbac import Subject, SystemSubject, acting_as
from tests.people import client, default_organization, json_of, organization, owner, person, subject

URL = "/api/v2/audit"


class Row:
    def __init__(self, **fields: Any) -> None:
        vars(self).update(fields)


TRACKED = Tracked(track=("name", "count", "when"), secret=("key",))


def test_diff_shows_what_changed_and_never_a_secret() -> None:
    old = TRACKED.snapshot(
        Row(name="a", count=1, when=datetime(2026, 1, 1, tzinfo=UTC), key="s3cret", other=1)
    )
    new = TRACKED.snapshot(Row(name="b", count=1, when=datetime(2026, 1, 2, tzinfo=UTC), key="n3w", other=2))
    assert TRACKED.changes(old, new) == {
        "name": {"old": "a", "new": "b", "secret": False},
        "when": {"old": "2026-01-01T00:00:00+00:00", "new": "2026-01-02T00:00:00+00:00", "secret": False},
        "key": {"old": "", "new": "", "secret": True},
    }
    assert TRACKED.changes(old, old) == {}


def test_creation_and_deletion_list_what_is_set() -> None:
    row = TRACKED.snapshot(Row(name="a", count=0, when=None, key=""))
    assert TRACKED.changes(None, row) == {"name": {"old": None, "new": "a", "secret": False}}
    assert TRACKED.changes(row, None) == {"name": {"old": "a", "new": None, "secret": False}}


@pytest.mark.parametrize(
    ("action", "kind", "status", "sentence"),
    [
        ("create", "template", 200, "{user} created template {target}"),
        ("write", "prebuilds_settings", 200, "{user} updated prebuilds settings {target}"),
        ("delete", "workspace", 404, "{user} unsuccessfully attempted to delete workspace {target}"),
        ("write", "user", 303, "{user} was redirected attempting to update user {target}"),
        ("login", "api_key", 201, "{user} logged in"),
        ("login", "api_key", 401, "{user} unsuccessfully attempted to log in"),
    ],
)
def test_description(action: str, kind: str, status: int, sentence: str) -> None:
    assert description(action, kind, status) == sentence


def test_every_action_has_a_sentence() -> None:
    for action in AuditedAction:
        for status in (200, 303, 500):
            assert description(action, "template", status).startswith("{user} ")


@pytest.mark.django_db
def test_rows_are_append_only() -> None:
    row = record(actor=subject(person("ada")), action="create", resource_type="template")
    row.action = "delete"
    with pytest.raises(TypeError):
        row.save()


@pytest.mark.django_db
@pytest.mark.parametrize(("action", "kind"), [("fly", "template"), ("create", "unicorn")])
def test_unknown_action_or_type_is_a_programming_error(action: str, kind: str) -> None:
    with pytest.raises(ValueError, match="is not a valid"):
        record(actor=subject(person("ada")), action=action, resource_type=kind)


@pytest.mark.django_db
def test_system_subjects_are_stored_by_name_with_their_reason() -> None:
    with acting_as(SystemSubject.JOB_REAPER, reason="the worker is silent") as actor:
        row = record(actor=actor, action="write", resource_type="workspace")
    assert (row.user_id, row.username) == (None, "job-reaper")
    assert row.additional_fields == {"automatic": "the worker is silent"}
    with acting_as(SystemSubject.PREBUILDS_ORCHESTRATOR, reason="fill the pool") as actor:
        row = record(actor=actor, action="create", resource_type="workspace")
    assert row.user_id == str(PREBUILDS_USER_ID)


@pytest.mark.django_db
def test_row_is_rolled_back_with_its_fact() -> None:
    ada = subject(person("ada"))
    before = AuditLog.objects.count()

    def fact() -> None:
        with transaction.atomic():
            record(actor=ada, action="create", resource_type="template")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fact()
    assert AuditLog.objects.count() == before


def test_context_is_per_request_and_empty_outside() -> None:
    assert current().ip is None
    with request_context(RequestContext(ip="10.0.0.1")):
        assert current().ip == "10.0.0.1"
    assert current().ip is None


@pytest.mark.django_db
def test_request_leaves_address_program_and_id_in_the_row_and_the_answer() -> None:
    http = client(owner())
    wanted = str(uuid.uuid4())
    response = http.post(
        "/api/v2/organizations",
        {"name": "acme"},
        format="json",
        REMOTE_ADDR="10.1.2.3",
        HTTP_USER_AGENT="curl/8 " + "x" * 500,
        HTTP_X_REQUEST_ID=wanted,
    )
    assert response["X-Request-ID"] == wanted
    row = AuditLog.objects.get(resource_type="organization", resource_target="acme")
    assert (row.ip, str(row.request_id), len(row.user_agent)) == ("10.1.2.3", wanted, 256)


@pytest.mark.django_db
def test_request_id_that_is_no_uuid_is_replaced() -> None:
    response = client().get("/api/v2/buildinfo", HTTP_X_REQUEST_ID="x\nSet-Cookie: a=b")
    assert uuid.UUID(response["X-Request-ID"])


@pytest.mark.django_db
def test_who_may_read_the_trail_and_how_much_of_it() -> None:
    acme, other = organization("acme"), organization("other")
    auditor = person("auditor", roles=["auditor"])
    org_auditor = person("oauditor", memberships={acme: ["organization-auditor"]})
    boss = subject(owner())
    AuditLog.objects.all().delete()
    for where in (acme.id, other.id, None):
        record(actor=boss, action="create", resource_type="template", organization_id=where)
    assert json_of(client(auditor).get(URL, {"q": "resource_type:template"}))["count"] == 3
    seen = json_of(client(org_auditor).get(URL))["audit_logs"]
    assert [row["organization"]["name"] for row in seen] == ["acme"]
    refused = client(person("ada")).get(URL)
    assert refused.status_code == 403
    assert client().get(URL).status_code == 401


@pytest.fixture
def trail() -> Any:
    """Three entries on known days, and a client that reads them."""
    boss, ada = owner(), person("ada")
    http = client(boss)
    AuditLog.objects.all().delete()
    acme = organization("acme")
    AuditLog.objects.all().delete()
    record(actor=subject(boss), action="create", resource_type="template", resource_target="docker")
    record(
        actor=subject(ada),
        action="start",
        resource_type="workspace_build",
        resource_id="7",
        organization_id=acme.id,
        additional_fields={"build_reason": "autostart"},
    )
    record(actor=subject(ada), action="delete", resource_type="workspace", resource_target="docker")
    for day, row in zip((1, 2, 3), AuditLog.objects.order_by("time"), strict=True):
        AuditLog.objects.filter(pk=row.pk).update(time=datetime(2026, 5, day, 23, 59, 59, tzinfo=UTC))
    return http


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "actions"),
    [
        ("", ["delete", "start", "create"]),
        ("template", ["create"]),
        ("resource_type:workspace", ["delete"]),
        ("resource_type:workspace resource_type:template", ["delete", "create"]),
        ("action:start", ["start"]),
        ("username:ada", ["delete", "start"]),
        ("username:ADA action:delete", ["delete"]),
        ("username:me", ["create"]),
        ("email:ada@example.com", ["delete", "start"]),
        ("resource_target:Docker", ["delete", "create"]),
        ("resource_id:7", ["start"]),
        ("organization:acme", ["start"]),
        ("build_reason:autostart", ["start"]),
        ("date_from:2026-05-02", ["delete", "start"]),
        ("date_to:2026-05-02", ["start", "create"]),
        ("date_from:2026-05-02 date_to:2026-05-02", ["start"]),
        ("organization:nowhere", []),
        (f"request_id:{uuid.UUID(int=5)}", []),
    ],
)
def test_filters(trail: Any, query: str, actions: list[str]) -> None:
    found = json_of(trail.get(URL, {"q": query}))
    assert [row["action"] for row in found["audit_logs"]] == actions
    assert found["count"] == len(actions)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("colour:red", "q"),
        ("action:fly", "action"),
        ("unicorn", "resource_type"),
        ("date_from:yesterday", "date_from"),
        ("date_to:2026-13-01", "date_to"),
        ("request_id:7", "request_id"),
        ("action:", "q"),
    ],
)
def test_bad_filter_is_named(trail: Any, query: str, field: str) -> None:
    response = trail.get(URL, {"q": query})
    assert response.status_code == 400
    assert [v["field"] for v in response.json()["validations"]] == [field]


@pytest.mark.django_db
def test_list_is_paged_with_constant_queries(trail: Any, django_assert_num_queries: Any) -> None:
    trail.get(URL)
    # Token, roles, groups, the page with its users and organizations, the count.
    with django_assert_num_queries(5):
        first = json_of(trail.get(URL, {"limit": 2}))
    assert (len(first["audit_logs"]), first["count"]) == (2, 3)
    boss = subject(person("other"))
    for _ in range(30):
        record(
            actor=boss, action="write", resource_type="template", organization_id=default_organization().id
        )
    # And one for each type of resource on the page that has pages of its own: user and member.
    with django_assert_num_queries(7):
        assert len(json_of(trail.get(URL, {"limit": 1000}))["audit_logs"]) > 30


def test_types_and_actions_of_the_reference_exist() -> None:
    assert len(AuditedAction) == 13
    assert {"prebuilds_settings", "workspace_build", "idp_sync_settings_role"} <= set(AuditedType.values)


# --- export, test entries, what became of the resource ---------------------------------------------------


@pytest.mark.django_db
def test_export_holds_what_the_search_finds(trail: Any) -> None:
    answer = trail.get(f"{URL}/export", {"q": "username:ada", "format": "csv"})
    assert (answer.status_code, answer["X-Total-Count"]) == (200, "2")
    assert answer["Content-Disposition"] == 'attachment; filename="audit.csv"'
    lines = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert [(line["user"], line["action"]) for line in lines] == [("ada", "delete"), ("ada", "start")]
    assert lines[0]["description"] == "ada deleted workspace docker"
    assert json.loads(lines[1]["additional_fields"]) == {"build_reason": "autostart"}
    whole = json.loads(trail.get(f"{URL}/export", {"format": "json"}).content)
    assert whole["count"] == 3
    assert whole["audit_logs"] == json.loads(json.dumps(json_of(trail.get(URL))["audit_logs"]))


@pytest.mark.django_db
def test_export_is_for_auditors_and_refuses_what_it_cannot_read(trail: Any) -> None:
    assert client(person("eve")).get(f"{URL}/export").status_code == 403
    wrong = trail.get(f"{URL}/export", {"format": "xml"})
    assert [v["field"] for v in wrong.json()["validations"]] == ["format"]
    assert trail.get(f"{URL}/export", {"q": "colour:red"}).status_code == 400


@pytest.mark.django_db
def test_a_cell_never_begins_like_a_formula() -> None:
    row = record(
        actor=subject(owner()),
        action="create",
        resource_type="template",
        resource_target="=1+1",
        status_code=200,
    )
    line = next(csv.DictReader(io.StringIO(as_csv([row]))))
    assert line["resource_target"] == "'=1+1"


@pytest.mark.django_db
def test_test_entries_are_made_by_who_may_write_the_log() -> None:
    boss, acme = client(owner()), organization("acme")
    body = {"resource_type": "workspace", "action": "stop", "organization_id": str(acme.id)}
    body |= {"time": "2026-01-02T03:04:05Z", "build_reason": "autostop"}
    assert boss.post(f"{URL}/testgenerate", body, format="json").status_code == 204
    assert boss.post(f"{URL}/testgenerate", {}, format="json").status_code == 204
    [entry] = json_of(boss.get(URL, {"q": "build_reason:autostop"}))["audit_logs"]
    assert (entry["time"], entry["organization"]["name"]) == ("2026-01-02T03:04:05Z", "acme")
    admin = client(person("admin", memberships={acme: ["organization-admin"]}))
    assert admin.post(f"{URL}/testgenerate", body, format="json").status_code == 204
    assert admin.post(f"{URL}/testgenerate", {}, format="json").status_code == 403
    assert boss.post(f"{URL}/testgenerate", {"action": "fly"}, format="json").status_code == 400


@pytest.mark.django_db
def test_entry_tells_where_its_resource_is_and_whether_it_is_gone() -> None:
    boss = owner()
    acme = organization("acme")
    live = Template.objects.create(organization=acme, name="docker", created_by=boss)
    gone = Template.objects.create(organization=acme, name="old", created_by=boss, deleted=True)
    AuditLog.objects.all().delete()
    for id_ in (live.id, gone.id, uuid.uuid4(), "nonsense"):
        record(actor=subject(boss), action="write", resource_type="template", resource_id=id_)
    record(actor=subject(boss), action="write", resource_type="notifications_settings")
    rows = json_of(client(boss).get(URL, {"q": "action:write"}))["audit_logs"]
    assert [(row["resource_link"], row["is_deleted"]) for row in reversed(rows)] == [
        ("/templates/acme/docker", False),
        ("", True),
        ("", True),
        ("", True),
        ("", False),
    ]


# --- attempts that were refused --------------------------------------------------------------------------


@pytest.mark.django_db
def test_refused_change_is_in_the_trail_and_a_refused_look_is_not() -> None:
    cache.clear()
    ada, acme = person("ada"), default_organization()
    http = client(ada)
    AuditLog.objects.all().delete()
    groups = f"/api/v2/organizations/{acme.name}/groups"
    assert http.post(groups, {"name": "g"}, format="json").status_code == 403
    row = AuditLog.objects.get()
    assert (row.user_id, row.resource_type, row.action, row.status_code) == (ada.id, "group", "create", 403)
    assert row.additional_fields["path"] == groups
    assert spoken(row) == f"ada unsuccessfully attempted to create group {acme.name}"
    assert http.get(URL).status_code == 403
    assert http.patch(f"/api/v2/templates/{uuid.uuid4()}", {}, format="json").status_code == 404
    assert AuditLog.objects.count() == 1


@pytest.mark.django_db
def test_flood_of_refusals_is_cut() -> None:
    cache.clear()
    ada = subject(person("ada"))
    AuditLog.objects.all().delete()
    stored = [
        record_refusal(ada, method="DELETE", path="/api/v2/groups/x", kwargs={"group": "x"})
        for _ in range(70)
    ]
    assert stored.count(True) == AuditLog.objects.count() == 60
    cache.clear()


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", "/@ada/dev/transition/stop", ("workspace", "stop")),
        ("POST", "/templates/acme/docker/delete", ("template", "delete")),
        ("POST", "/templates/acme/docker/presets/7/reset", ("template_version", "write")),
        ("PUT", "/api/v2/organizations/acme/members/ada/roles", ("organization_member", "write")),
        ("POST", "/api/v2/workspaces/7/builds", ("workspace_build", "create")),
        ("POST", "/api/v2/authcheck", None),
    ],
)
@pytest.mark.django_db
def test_address_names_what_was_tried(method: str, path: str, expected: tuple[str, str] | None) -> None:
    cache.clear()
    AuditLog.objects.all().delete()
    actor = Subject(str(PREBUILDS_USER_ID), "x")
    assert record_refusal(actor, method=method, path=path, kwargs={}) is (expected is not None)
    assert list(AuditLog.objects.values_list("resource_type", "action")) == ([expected] if expected else [])
