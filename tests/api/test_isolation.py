"""Nobody from another organization can tell by any route whether an object exists.

Generated from the URL configuration: a new route with a parameter that this file does not know fails here
until it is told which object the parameter names. Each method of each route is asked twice, for a real
object and for one that does not exist; the two answers must be the same refusal.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any

import pytest
from rest_framework.test import APIClient

from coder_admin.catalog.models import Template, TemplateVersion, TemplateVersionPreset
from coder_admin.files.models import File
from coder_admin.organizations import services
from coder_admin.organizations.choices import LoginType
from coder_admin.organizations.models import CustomRole, User
from coder_admin.provisioning.choices import JobType
from coder_admin.provisioning.models import ProvisionerJob
from coder_admin.workspaces.models import (
    DryRun,
    Workspace,
    WorkspaceAgent,
    WorkspaceBuild,
    WorkspaceResource,
)
from rbac.roles import ORG_ROLES
from tests.api.test_api_room import PUBLIC, views
from tests.people import client, organization, owner, person, subject

METHODS = ("get", "post", "put", "patch", "delete")


def world() -> dict[str, str]:
    """One of everything in the organization `acme`: what each parameter, by the segment before it or by its
    own name, may say."""
    acme, boss = organization("acme"), owner()
    ada = person("ada", memberships={acme: []})
    group = services.group_create(subject(boss), organization=acme, name="devs")
    key, _ = services.token_create(subject(ada), user=ada, name="robot")
    file = File.objects.create(hash="h", data=b"", size=0, created_by=ada)
    template = Template.objects.create(organization=acme, name="docker", created_by=boss)

    def job(type_: str) -> ProvisionerJob:
        return ProvisionerJob.objects.create(organization=acme, initiator=ada, type=type_, file=file)

    version = TemplateVersion.objects.create(
        template=template,
        organization=acme,
        name="v1",
        created_by=boss,
        job=job(JobType.TEMPLATE_VERSION_IMPORT),
    )
    preset = TemplateVersionPreset.objects.create(template_version=version, name="small", desired_instances=1)
    Template.objects.filter(pk=template.pk).update(active_version=version)
    CustomRole.objects.create(organization=acme, name="ops", display_name="Ops")
    session, _ = services.api_key_create(subject(ada), user=ada, login_type=LoginType.PASSWORD)
    workspace = Workspace.objects.create(organization=acme, owner=ada, template=template, name="dev")
    build = WorkspaceBuild.objects.create(
        workspace=workspace,
        template_version=version,
        build_number=1,
        transition="start",
        initiator=ada,
        job=job(JobType.WORKSPACE_BUILD),
    )
    Workspace.objects.filter(pk=workspace.pk).update(latest_build=build)
    resource = WorkspaceResource.objects.create(
        workspace_build=build, transition="start", address="a.b", type="a", name="b"
    )
    agent = WorkspaceAgent.objects.create(resource=resource, name="main", auth_token=uuid.uuid4())
    dry_run = DryRun.objects.create(template_version=version, job=job(JobType.TEMPLATE_VERSION_DRY_RUN))
    named = {
        "users/user": ada.username,
        "members/user": ada.username,
        "roles/role": "ops",
        "sessions/session": session.id,
        "workspace-quota/user": boss.username,
        "organizations/organization": "acme",
        "organizations/name": "acme",
        "groups/name": "devs",
        "groups/group": group.id,
        "tokens/name": "robot",
        "keys/key": key.id,
        "files/file_id": file.id,
        "provisionerjobs/job": build.job_id,
        "templates/template": template.id,
        "templates/name": "docker",
        "versions/name": "v1",
        "templateversions/version": version.id,
        "dry-run/job": dry_run.job_id,
        "templateversionpresets/preset": preset.id,
        "workspace/name": "dev",
        "workspaces/workspace_id": workspace.id,
        "builds/number": 1,
        "builds/build_number": 1,
        "workspacebuilds/build_id": build.id,
        "workspaceagents/agent_id": agent.id,
        "inbox/notification_id": uuid.uuid4(),
        "templates/template_id": "c425f63e-716a-4bf4-ae24-78348f706c3f",
    }
    return {name: str(value) for name, value in named.items()}


def fill(path: str, names: Mapping[str, str] | None) -> str:
    """The address with every parameter named by `names`, or by something that does not exist."""

    def value(match: re.Match[str]) -> str:
        key = f"{match[1]}/{match[3]}"
        assert key in KNOWN, f"{path}: say in world() what the parameter {key} names"
        if names is None:
            return f"{match[1]}/{'999' if match[2] == 'int' else ABSENT}"
        # Under an organization a template goes by its name.
        by_name = key == "templates/template" and path.startswith("api/v2/organizations/")
        return f"{match[1]}/{names['templates/name' if by_name else key]}"

    return "/" + re.sub(r"([\w-]+)/<(\w+):(\w+)>", value, path)


ABSENT = "7d1f0f5e-0d7c-4d36-9a55-1c9a3c0f9b1e"
KNOWN: set[str] = set()


def routes() -> list[tuple[str, str]]:
    found = []
    for path, view in views():
        if "<" not in path or view.cls.__name__ in PUBLIC:
            continue
        found += [(path, method) for method in METHODS if hasattr(view.cls, method)]
    return found


def leaks(http: APIClient, names: Mapping[str, str], *, skip_users: bool) -> list[str]:
    """Every route and method whose two answers differ, or that lets the caller in."""
    found = []
    for path, method in routes():
        if skip_users and path.startswith("api/v2/users/"):
            continue
        real, absent = (
            getattr(http, method)(fill(path, chosen), {}, format="json") for chosen in (names, None)
        )
        same = real.status_code == absent.status_code and _message(real) == _message(absent)
        if not same or real.status_code not in (400, 403, 404):
            found.append(f"{method} {path}: {real.status_code} {_message(real)!r} / {absent.status_code}")
    return found


def _message(response: Any) -> str:
    return str(response.json().get("message", "")) if response.content else ""


@pytest.fixture
def names() -> dict[str, str]:
    made = world()
    KNOWN.update(made)
    return made


@pytest.mark.django_db
def test_stranger_cannot_tell_what_exists(names: dict[str, str]) -> None:
    stranger = person("stranger", memberships={organization("other"): []})
    assert leaks(client(stranger), names, skip_users=False) == []


@pytest.mark.django_db
def test_person_in_no_organization_cannot_tell_either(names: dict[str, str]) -> None:
    assert leaks(client(person("lone", memberships={})), names, skip_users=False) == []


@pytest.mark.django_db
@pytest.mark.parametrize("role", sorted(set(ORG_ROLES) - {"organization-member"}))
def test_admins_of_another_organization_cannot_tell_either(names: dict[str, str], role: str) -> None:
    """Some of them may read users, who belong to the whole deployment; nothing else."""
    admin = person("admin", memberships={organization("other"): [role]})
    assert leaks(client(admin), names, skip_users=True) == []


@pytest.mark.django_db
@pytest.mark.parametrize("route", sorted({path for path, view in views() if "<" not in path}))
def test_lists_show_a_stranger_nothing_of_another_organization(names: dict[str, str], route: str) -> None:
    other = organization("other")
    stranger = person("stranger", memberships={other: list(ORG_ROLES[:1])})
    response = client(stranger).get(f"/{route}")
    if response.status_code != 200 or route == "api/v2/users":  # users belong to the whole deployment
        return
    text = response.content.decode()
    for name, value in names.items():
        # Kinds of notifications belong to the whole deployment.
        if len(value) == 36 and name != "templates/template_id":
            assert value not in text, name
    assert User.objects.filter(username="ada").exists()


@pytest.mark.django_db
def test_the_names_are_right_since_the_owner_finds_what_they_name(names: dict[str, str]) -> None:
    """Without this, a wrong name in world() would make every test above pass for nothing."""
    boss = client(User.objects.get(username="boss"))
    codes = {path: boss.get(fill(path, names)).status_code for path, method in routes() if method == "get"}
    missing = {path: code for path, code in codes.items() if code not in (200, 204, 400, 406, 425)}
    # Some things are not ready yet or have no predecessor; nothing may be absent or hidden.
    assert missing == {}
    assert sum(code == 200 for code in codes.values()) > 20
