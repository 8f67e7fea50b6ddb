"""Template versions over HTTP: import, what it found, promotion, archiving."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from coder_admin.catalog.imports import (
    ImportedParameter,
    ImportedPreset,
    ImportedSchedule,
    ImportedVariable,
    ImportResult,
)
from coder_admin.organizations.models import Organization, User
from coder_admin.provisioning.models import ProvisionerJob, ProvisionerJobLog

from .factories import make_file, make_template, make_version

pytestmark = pytest.mark.django_db
Login = Callable[[User], APIClient]
API = "/api/v2"

FOUND = ImportResult(
    parameters=(ImportedParameter(name="region", form_type="input", default_value="eu"),),
    presets=(
        ImportedPreset(name="small", parameters={"region": "eu"}),
        ImportedPreset(
            name="large",
            parameters={"region": "us"},
            default=True,
            instances=2,
            ttl=3600,
            timezone="Europe/Berlin",
            schedules=(ImportedSchedule("* 8-18 * * 1-5", 4),),
            description="More of it",
            icon="/icon/large.svg",
        ),
    ),
    variables=(
        ImportedVariable(name="image", type="string", value="debian", default_value="alpine"),
        ImportedVariable(name="token", type="string", value="hush", default_value="sh", sensitive=True),
    ),
    readme="# Hello",
    resources=({"type": "docker_container", "name": "main", "agents": []},),
    external_auth_providers=("github",),
)


def test_import_waits_in_the_queue(
    organization: Organization, admin: User, member: User, login: Login
) -> None:
    file = make_file(admin)
    url = f"{API}/organizations/{organization.id}/templateversions"
    body = {
        "file_id": str(file.id),
        "storage_method": "file",
        "message": "first",
        "provisioner": "terraform",
        "user_variable_values": [{"name": "image", "value": " debian "}],
        "tags": {"zone": "eu"},
    }
    answer = login(admin).post(url, body, format="json")
    assert answer.status_code == 201, answer.json()
    version = answer.json()
    assert version["job"]["status"] == "pending"
    assert version["job"]["tags"]["zone"] == "eu"
    assert version["name"]
    job = ProvisionerJob.objects.get(pk=version["job"]["id"])
    assert job.input["user_variable_values"] == [{"name": "image", "value": " debian "}]
    client = login(admin)
    assert client.get(f"{API}/templateversions/{version['id']}").status_code == 200
    assert client.get(f"{API}/templateversions/{version['id']}/variables").status_code == 400
    assert client.get(f"{API}/templateversions/{version['id']}/logs").json() == []
    assert client.patch(f"{API}/templateversions/{version['id']}/cancel").status_code == 200
    assert client.get(f"{API}/templateversions/{version['id']}").json()["job"]["status"] == "canceled"
    assert login(member).get(f"{API}/templateversions/{version['id']}").status_code == 404
    assert login(member).post(url, body, format="json").status_code == 404
    assert client.post(url, {**body, "name": "a b"}, format="json").status_code == 400
    assert client.post(url, {"name": "x"}, format="json").status_code == 400


def test_name_is_unique_in_its_template(organization: Organization, admin: User, login: Login) -> None:
    template = make_template(admin, organization)
    url = f"{API}/organizations/{organization.id}/templateversions"
    body = {"file_id": str(make_file(admin).id), "template_id": str(template.id), "name": "v1"}
    assert login(admin).post(url, body, format="json").status_code == 201
    assert login(admin).post(url, {**body, "name": "V1"}, format="json").status_code == 409


def test_what_an_import_found(organization: Organization, admin: User, member: User, login: Login) -> None:
    template = make_template(admin, organization, result=FOUND)
    url = f"{API}/templateversions/{template.active_version_id}"
    client = login(member)
    presets = client.get(f"{url}/presets").json()
    assert [preset["Name"] for preset in presets] == ["large", "small"]
    assert presets[0] | {"ID": ""} == {
        "ID": "",
        "Name": "large",
        "Parameters": [{"Name": "region", "Value": "us"}],
        "Default": True,
        "DesiredPrebuildInstances": 2,
        "Description": "More of it",
        "Icon": "/icon/large.svg",
    }
    assert presets[1]["DesiredPrebuildInstances"] is None
    variables = {row["name"]: row for row in client.get(f"{url}/variables").json()}
    assert variables["image"]["value"] == "debian"
    assert (variables["token"]["value"], variables["token"]["default_value"]) == ("", "")
    assert [row["name"] for row in client.get(f"{url}/rich-parameters").json()] == ["region"]
    assert client.get(f"{url}/resources").json()[0]["type"] == "docker_container"
    assert client.get(f"{url}/external-auth").json() == [{"id": "github"}]
    assert client.get(url).json()["readme"] == "# Hello"
    stored = template.active_version.presets.get(name="large") if template.active_version else None
    assert stored is not None
    assert (stored.invalidate_after_secs, stored.scheduling_timezone) == (3600, "Europe/Berlin")
    assert [(s.cron_expression, s.desired_instances) for s in stored.schedules.all()] == [
        ("* 8-18 * * 1-5", 4)
    ]


def test_promotion(organization: Organization, admin: User, member: User, login: Login) -> None:
    template = make_template(admin, organization)
    url = f"{API}/templates/{template.id}/versions"
    good = make_version(admin, organization, template=template)
    waiting = make_version(admin, organization, template=template, done=False)
    foreign = make_version(admin, organization)
    client = login(admin)
    assert client.patch(url, {"id": str(waiting.id)}, format="json").status_code == 403
    assert client.patch(url, {"id": str(foreign.id)}, format="json").status_code == 400
    assert login(member).patch(url, {"id": str(good.id)}, format="json").status_code == 403
    assert client.patch(url, {"id": str(good.id)}, format="json").status_code == 200
    assert client.get(f"{API}/templates/{template.id}").json()["active_version_id"] == str(good.id)
    assert client.patch(url, {"id": str(good.id)}, format="json").status_code == 200
    archive = f"{API}/templateversions/{good.id}/archive"
    assert client.post(archive).status_code == 400
    old = f"{API}/templateversions/{template.active_version_id}"
    assert client.post(f"{old}/archive").json()["archived"] is True
    assert client.post(f"{old}/archive").status_code == 400
    assert client.patch(url, {"id": str(template.active_version_id)}, format="json").status_code == 400
    assert len(client.get(url).json()) == 2
    assert len(client.get(f"{url}?include_archived=true").json()) == 3
    assert client.post(f"{old}/unarchive").json()["archived"] is False


def test_versions_are_found_by_name(organization: Organization, admin: User, login: Login) -> None:
    template = make_template(
        admin, organization, "docker", version=make_version(admin, organization, name="v1")
    )
    make_version(admin, organization, template=template, name="v2")
    client = login(admin)
    base = f"{API}/organizations/{organization.name}/templates/docker/versions"
    assert client.get(f"{base}/V2").json()["name"] == "v2"
    assert client.get(f"{base}/v2/previous").json()["name"] == "v1"
    assert client.get(f"{base}/v1/previous").status_code == 204
    assert client.get(f"{base}/v9").status_code == 404
    assert client.get(f"{API}/templates/{template.id}/versions/v1").json()["name"] == "v1"
    assert client.get(f"{API}/organizations/{organization.name}/templates/docker").json()["name"] == "docker"


def test_version_is_renamed(organization: Organization, admin: User, member: User, login: Login) -> None:
    template = make_template(admin, organization)
    url = f"{API}/templateversions/{template.active_version_id}"
    answer = login(admin).patch(url, {"name": "stable", "message": "the good one"}, format="json")
    assert (answer.json()["name"], answer.json()["message"]) == ("stable", "the good one")
    assert login(member).patch(url, {"name": "mine"}, format="json").status_code == 403


def test_lists_cost_the_same_however_long(organization: Organization, admin: User, login: Login) -> None:
    template = make_template(admin, organization)
    client = login(admin)
    url = f"{API}/templates/{template.id}/versions"

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(url).status_code == 200
        return len(captured)

    first = queries()
    for _ in range(5):
        make_version(admin, organization, template=template)
    assert queries() == first


def test_logs_between_two_ids(organization: Organization, admin: User, login: Login) -> None:
    template = make_template(admin, organization)
    version = template.active_version
    assert version is not None
    lines = [ProvisionerJobLog.objects.create(job=version.job, stage="s", output=str(n)) for n in range(4)]
    url = f"{API}/templateversions/{version.id}/logs"
    client = login(admin)
    assert [line["output"] for line in client.get(url).json()] == ["0", "1", "2", "3"]
    bounded = client.get(f"{url}?after={lines[0].id}&before={lines[3].id}").json()
    assert [line["output"] for line in bounded] == ["1", "2"]
    assert client.get(f"{url}?after=x").status_code == 400


def test_job_list_says_what_an_import_is_for(organization: Organization, admin: User, login: Login) -> None:
    template = make_template(admin, organization, "docker")
    make_version(admin, organization, template=template, name="next", done=False)
    jobs = login(admin).get(f"{API}/organizations/{organization.id}/provisionerjobs").json()
    described = {job["metadata"]["template_version_name"]: job["metadata"] for job in jobs}
    assert described["next"]["template_name"] == "docker"
    version = login(admin).get(f"{API}/templates/{template.id}/versions/next").json()
    assert version["job"]["queue_position"] >= 1
