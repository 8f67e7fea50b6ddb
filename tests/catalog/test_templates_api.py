"""Templates over HTTP: creation, lists, settings, deletion, access (rbac-and-organizations.md section 5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from coder_admin.audit.models import AuditLog
from coder_admin.catalog import guards
from coder_admin.catalog.models import Template
from coder_admin.organizations.models import PREBUILDS_USER_ID, Organization, User
from coder_admin.workspaces.models import Workspace

from .factories import make_group, make_organization, make_template, make_user, make_version, unique

pytestmark = pytest.mark.django_db
Login = Callable[[User], APIClient]
API = "/api/v2"


def create(client: APIClient, organization: Organization, version: Any, **body: Any) -> Any:
    return client.post(
        f"{API}/organizations/{organization.name}/templates",
        {"name": unique("t"), "template_version_id": str(version.id), **body},
        format="json",
    )


def test_create_makes_a_template_that_everyone_may_use(
    organization: Organization, admin: User, member: User, stranger: User, login: Login
) -> None:
    version = make_version(admin, organization)
    answer = create(login(admin), organization, version, name="docker", display_name="Docker")
    assert answer.status_code == 201, answer.json()
    body = answer.json()
    assert (body["name"], body["display_name"], body["active_version_id"]) == (
        "docker",
        "Docker",
        str(version.id),
    )
    assert body["activity_bump_ms"] == 3_600_000
    assert body["autostart_requirement"]["days_of_week"][0] == "monday"
    assert login(member).get(f"{API}/templates/{body['id']}").status_code == 200
    assert login(stranger).get(f"{API}/templates/{body['id']}").status_code == 404
    assert AuditLog.objects.filter(resource_type="template", action="create", resource_id=body["id"]).exists()


def test_create_without_the_everyone_group(
    organization: Organization, admin: User, member: User, login: Login
) -> None:
    version = make_version(admin, organization)
    answer = create(login(admin), organization, version, disable_everyone_group_access=True)
    assert login(member).get(f"{API}/templates/{answer.json()['id']}").status_code == 404
    assert login(admin).get(f"{API}/templates/{answer.json()['id']}").status_code == 200


def test_create_refusals(organization: Organization, admin: User, member: User, login: Login) -> None:
    client = login(admin)
    version = make_version(admin, organization)
    taken = make_template(admin, organization, "taken")
    for name in ("", "has blank", "-x", "x--y", "new", "x" * 33):
        assert create(client, organization, version, name=name).status_code == 400
    conflict = create(client, organization, version, name="TAKEN")
    assert conflict.status_code == 409
    assert conflict.json()["validations"][0]["field"] == "name"
    assert create(client, organization, version, default_ttl_ms=59_999).status_code == 400
    beyond = create(client, organization, version, time_til_dormant_autodelete_ms=2**53)
    assert beyond.json()["validations"][0]["field"] == "time_til_dormant_autodelete_ms"
    assert create(client, organization, taken.active_version).status_code == 400
    missing = create(
        client, organization, version, template_version_id="00000000-0000-4000-8000-000000000000"
    )
    assert missing.status_code == 404
    assert create(login(member), organization, version).status_code in (403, 404)
    assert Template.objects.filter(organization=organization).count() == 1


def test_list_is_what_the_viewer_may_see_in_constant_queries(
    organization: Organization, admin: User, member: User, stranger: User, login: Login
) -> None:
    for _ in range(3):
        make_template(admin, organization)
    client = login(member)
    with CaptureQueriesContext(
        connection,
    ) as few:
        assert len(client.get(f"{API}/templates").json()) == 3
    for _ in range(4):
        make_template(admin, organization)
    with CaptureQueriesContext(connection) as many:
        answer = client.get(f"{API}/organizations/{organization.name}/templates?limit=5")
    assert len(answer.json()) == 5
    assert answer.headers["X-Total-Count"] == "7"
    assert len(many) <= len(few) + 2
    assert login(stranger).get(f"{API}/templates").json() == []


def test_search(organization: Organization, admin: User, login: Login) -> None:
    one, two = (
        make_template(admin, organization, "alpha-one"),
        make_template(admin, organization, "alpha-two"),
    )
    make_template(admin, organization, "beta", deprecation_message="gone")
    client = login(admin)

    def names(query: str) -> list[str]:
        answer = client.get(f"{API}/templates", {"q": f"organization:{organization.name} {query}"})
        assert answer.status_code == 200, answer.json()
        return [row["name"] for row in answer.json()]

    assert names("") == ["alpha-one", "alpha-two"]
    assert names("ONE") == names("name:one") == names("exact_name:Alpha-One") == ["alpha-one"]
    assert names("deprecated:true") == ["beta"]
    assert names("deprecated:false") == ["alpha-one", "alpha-two"]
    assert names(f"ids:{two.id}") == ["alpha-two"]
    assert (
        names("author:me")
        == names(f"author:{admin.username}")
        == names(f"author_id:{admin.id}")
        == ["alpha-one", "alpha-two"]
    )
    assert names("has-ai-task:true") == []
    assert client.delete(f"{API}/templates/{one.id}").status_code == 200
    assert names("deleted:true") == ["alpha-one"]
    for query in ("colour:red", "deleted:perhaps", "ids:x"):
        assert client.get(f"{API}/templates", {"q": query}).status_code == 400


def test_settings_change_once(organization: Organization, admin: User, member: User, login: Login) -> None:
    template = make_template(admin, organization)
    url = f"{API}/templates/{template.id}"
    client = login(admin)
    changed = client.patch(
        url, {"description": "New", "autostart_requirement": {"days_of_week": ["friday"]}}, format="json"
    )
    assert changed.status_code == 200
    assert changed.json()["autostart_requirement"]["days_of_week"] == ["friday"]
    assert client.patch(url, {"description": "New"}, format="json").status_code == 304
    assert client.patch(url, {"failure_ttl_ms": 5}, format="json").status_code == 400
    assert login(member).patch(url, {"description": "Mine"}, format="json").status_code == 403
    row = AuditLog.objects.get(resource_type="template", action="write", resource_id=str(template.id))
    assert row.diff["description"]["new"] == "New"


def test_deprecation_is_a_setting(organization: Organization, admin: User, login: Login) -> None:
    template = make_template(admin, organization)
    answer = login(admin).patch(
        f"{API}/templates/{template.id}", {"deprecation_message": "Use the new one"}, format="json"
    )
    assert (answer.json()["deprecated"], answer.json()["deprecation_message"]) == (True, "Use the new one")


def test_deleting_frees_the_name_but_not_under_workspaces(
    organization: Organization, admin: User, member: User, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = make_template(admin, organization, "docker")
    url = f"{API}/templates/{template.id}"
    assert login(member).delete(url).status_code == 403
    monkeypatch.setattr(guards, "_counters", [lambda template_id: 1])
    refused = login(admin).delete(url)
    assert refused.status_code == 400
    assert "All workspaces must be deleted" in refused.json()["message"]
    monkeypatch.setattr(guards, "_counters", [])
    assert login(admin).delete(url).status_code == 200
    assert login(admin).get(url).status_code == 404
    assert make_template(admin, organization, "docker").id != template.id


def test_access_list(organization: Organization, admin: User, login: Login) -> None:
    template = make_template(admin, organization, disable_everyone_group_access=True)
    guest, helper = make_user(organization), make_user(organization)
    group = make_group(organization, "helpers", helper)
    url = f"{API}/templates/{template.id}/acl"
    client = login(admin)
    body = {"user_perms": {str(guest.id): "use"}, "group_perms": {str(group.id): "admin"}}
    assert client.patch(url, body, format="json").status_code == 200
    listed = client.get(url).json()
    assert [(row["username"], row["role"]) for row in listed["users"]] == [(guest.username, "use")]
    assert [(row["name"], row["role"]) for row in listed["group"]] == [("helpers", "admin")]
    assert login(guest).get(f"{API}/templates/{template.id}").status_code == 200
    assert login(guest).get(f"{url}/available").status_code == 404
    assert login(guest).patch(url, body, format="json").status_code == 403
    assert login(helper).patch(url, {"user_perms": {str(guest.id): ""}}, format="json").status_code == 200
    assert login(guest).get(f"{API}/templates/{template.id}").status_code == 404
    available = client.get(f"{url}/available").json()
    assert {row["username"] for row in available["users"]} >= {guest.username, helper.username}


def test_bad_access_list_changes_nothing(organization: Organization, admin: User, login: Login) -> None:
    template = make_template(admin, organization)
    guest, foreign = make_user(organization), make_group(make_organization(), "foreign")
    body = {
        "user_perms": {str(guest.id): "use", "x": "use", "00000000-0000-4000-8000-000000000000": "use"},
        "group_perms": {str(foreign.id): "boss"},
    }
    answer = login(admin).patch(f"{API}/templates/{template.id}/acl", body, format="json")
    assert answer.status_code == 400
    assert [v["field"] for v in answer.json()["validations"]] == ["user_perms", "group_perms"]
    assert login(admin).get(f"{API}/templates/{template.id}/acl").json()["users"] == []


def test_workspaces_of_people_hold_a_template_and_prebuilds_do_not(
    organization: Organization, admin: User, member: User, login: Login
) -> None:
    template = make_template(admin, organization)
    prebuilds = User.objects.get(pk=PREBUILDS_USER_ID)
    for owner, name in ((prebuilds, "prebuild-a"), (member, "mine")):
        Workspace.objects.create(owner=owner, organization=organization, template=template, name=name)
    client = login(admin)
    assert client.delete(f"{API}/templates/{template.id}").status_code == 400
    Workspace.objects.filter(owner=member).update(deleted=True)
    assert client.delete(f"{API}/templates/{template.id}").status_code == 200
