"""Sharing a workspace: who may, what each role gives, what is refused; over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from coder_admin.audit.models import AuditLog
from coder_admin.organizations import services as people
from coder_admin.organizations.models import PREBUILDS_USER_ID, User
from coder_admin.workspaces.models import Workspace
from tests.people import client, organization, person, subject

from .world import World, settled

API = "/api/v2/workspaces"


def share(http: APIClient, workspace: Workspace, **body: Any) -> int:
    return http.patch(f"{API}/{workspace.id}/acl", body, format="json").status_code


def build(who: User, workspace: Workspace, transition: str, **body: Any) -> int:
    body["transition"] = transition
    return client(who).post(f"{API}/{workspace.id}/builds", body, format="json").status_code


def seen_by(who: User) -> list[str]:
    return [row["name"] for row in client(who).get(API).json()["workspaces"]]


def test_role_use_gives_look_start_stop_and_nothing_else(world: World) -> None:
    workspace, ben = world.running(), person("ben")
    assert seen_by(ben) == []
    assert share(client(world.ada), workspace, user_roles={str(ben.id): "use"}) == 204
    assert seen_by(ben) == ["dev"]
    assert client(ben).get(f"{API}/{workspace.id}/builds").status_code == 200
    assert build(ben, workspace, "stop") == 201
    settled(workspace)
    other = world.new_version()
    assert build(ben, workspace, "start", template_version_id=str(other.id)) == 403
    assert build(ben, workspace, "start", rich_parameter_values=[{"name": "size", "value": "8"}]) == 403
    assert build(ben, workspace, "start") == 201
    settled(workspace)
    assert build(ben, workspace, "delete") == 403
    assert client(ben).patch(f"{API}/{workspace.id}", {"name": "x"}, format="json").status_code == 403
    assert client(ben).get(f"{API}/{workspace.id}/acl").status_code == 403
    assert share(client(ben), workspace, user_roles={str(ben.id): "admin"}) == 403


def test_role_admin_changes_and_shares_on_and_never_deletes(world: World) -> None:
    workspace, ben, eve = world.running(), person("ben"), person("eve")
    assert share(client(world.ada), workspace, user_roles={str(ben.id): "admin"}) == 204
    http = client(ben)
    assert http.patch(f"{API}/{workspace.id}", {"name": "ours"}, format="json").status_code == 204
    assert build(ben, workspace, "delete") == 403
    assert share(http, workspace, user_roles={str(eve.id): "use"}) == 204
    listed = http.get(f"{API}/{workspace.id}/acl").json()
    assert [(row["username"], row["role"]) for row in listed["users"]] == [("ben", "admin"), ("eve", "use")]
    assert "email" not in str(listed)
    assert share(http, workspace, user_roles={str(ben.id): ""}) == 204
    assert http.get(f"{API}/{workspace.id}").status_code == 404


def test_group_shares_with_its_members_as_long_as_they_are(world: World) -> None:
    workspace, ben = world.running(), person("ben")
    boss = subject(world.boss)
    group = people.group_create(boss, organization=world.organization, name="devs")
    assert share(client(world.ada), workspace, group_roles={str(group.id): "use"}) == 204
    assert seen_by(ben) == []
    people.group_update(boss, group=group, add_users=[ben])
    assert seen_by(ben) == ["dev"]
    people.group_update(boss, group=group, remove_users=[ben])
    assert seen_by(ben) == []
    everyone = str(world.organization.id)
    assert share(client(world.ada), workspace, group_roles={everyone: "use"}) == 204
    assert seen_by(ben) == ["dev"]
    outsider = person("out", memberships={organization("other"): []})
    assert seen_by(outsider) == []


def test_every_change_is_audited_with_the_roles(world: World) -> None:
    workspace, ben = world.running(), person("ben")
    for role in ("use", "use", "admin", ""):
        assert share(client(world.ada), workspace, user_roles={str(ben.id): role}) == 204
    rows = AuditLog.objects.filter(resource_type="workspace", action="write").order_by("time")
    changes = [(row.diff["user_acl"]["old"], row.diff["user_acl"]["new"]) for row in rows]
    use, admin = {str(ben.id): "use"}, {str(ben.id): "admin"}
    assert changes == [({}, use), (use, admin), (admin, {})]


@pytest.mark.parametrize(
    ("body", "field", "text"),
    [
        ({"user_roles": {"nonsense": "use"}}, "user_roles", "is not a UUID"),
        ({"user_roles": {"00000000-0000-4000-8000-000000000000": "use"}}, "user_roles", "no user"),
        ({"user_roles": {str(PREBUILDS_USER_ID): "use"}}, "user_roles", "no user"),
        ({"group_roles": {"00000000-0000-4000-8000-000000000000": "use"}}, "group_roles", "no group"),
        ({"group_roles": {"00000000-0000-4000-8000-000000000000": "boss"}}, "group_roles", "not a role"),
    ],
)
def test_bad_entry_changes_nothing(world: World, body: dict[str, Any], field: str, text: str) -> None:
    workspace, ben = world.running(), person("ben")
    body.setdefault("user_roles", {})[str(ben.id)] = "use"
    answer = client(world.ada).patch(f"{API}/{workspace.id}/acl", body, format="json")
    assert answer.status_code == 400
    assert [(v["field"], text in v["detail"]) for v in answer.json()["validations"]] == [(field, True)]
    assert seen_by(ben) == []


def test_only_members_of_the_organization_can_be_listed(world: World) -> None:
    workspace = world.running()
    outsider = person("out", memberships={organization("other"): []})
    assert share(client(world.ada), workspace, user_roles={str(outsider.id): "use"}) == 400


def test_prebuilds_and_dormant_workspaces_are_not_shared(world: World) -> None:
    ben, pooled, asleep = person("ben"), world.prebuild(), world.running()
    roles = {str(ben.id): "use"}
    assert share(client(world.boss), pooled, user_roles=roles) == 409
    assert share(client(world.ada), asleep, user_roles=roles) == 204
    Workspace.objects.filter(pk=asleep.pk).update(dormant_at=timezone.now())
    assert seen_by(ben) == []
    assert share(client(world.ada), asleep, user_roles={}) == 409


def test_who_cannot_see_it_learns_nothing(world: World) -> None:
    workspace = world.running()
    stranger = client(person("stranger"))
    assert stranger.get(f"{API}/{workspace.id}/acl").status_code == 404
    assert share(stranger, workspace, user_roles={}) == 404
