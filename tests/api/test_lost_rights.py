"""Who loses a right hears no more of what they had opened: every websocket and every stream, for each way in
which rights are lost; by the periodic look alone, and at once by the word that a service sends."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from coder_admin.catalog.services import acl_update
from coder_admin.foundation import events
from coder_admin.organizations import services, socket_life
from coder_admin.organizations.choices import UserStatus
from coder_admin.organizations.models import OrganizationMember, User
from coder_admin.organizations.services.custom_roles import custom_role_create, custom_role_update
from coder_admin.workspaces import streams
from coder_admin.workspaces.models import Workspace
from coder_admin.workspaces.sharing import workspace_acl_update
from tests.people import person, subject, token_of
from tests.serving import serving
from tests.workspaces.world import World, agent_of, make_world

pytestmark = pytest.mark.django_db(transaction=True)
NEVER = 3600.0
OFTEN = 0.05
PATIENCE = 20.0


@dataclass
class Site:
    """A running application, and what is open of it; closed at the end of the test."""

    url: str
    open: ExitStack


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as url, ExitStack() as stack:
        yield Site(url, stack)


class Scene:
    """A workspace of ada's with a build under way, and one that runs; a version whose import is under way."""

    def __init__(self) -> None:
        self.world: World = make_world()
        self.pending: Workspace = self.world.create("pending")
        self.running: Workspace = self.world.running("running")
        self.agent = agent_of(self.running)
        self.importing = self.world.new_version(done=False)

    def sockets(self) -> dict[str, str]:
        """What a right over workspace and template opens, by address."""
        return {
            "the log of a build": f"workspacebuilds/{self.pending.latest_build_id}/logs?follow",
            "the log of an agent": f"workspaceagents/{self.agent.id}/logs?follow",
            "a workspace": f"workspaces/{self.running.id}/watch-ws",
            "the log of an import": f"templateversions/{self.importing.id}/logs?follow",
            "the form": f"templateversions/{self.world.version.id}/dynamic-parameters",
        }

    def streams(self) -> dict[str, str]:
        return {
            "a workspace": f"workspaces/{self.running.id}/watch",
            "an agent's metadata": f"workspaceagents/{self.agent.id}/watch-metadata",
        }

    def topics(self) -> list[str]:
        organization = self.world.organization.id
        build = self.pending.latest_build
        assert build is not None
        return [
            f"workspace:{self.running.id}",
            f"job:{build.job_id}",
            f"agent-logs:{self.agent.id}",
            f"template:{self.world.template.id}",
            f"template-version:{self.importing.id}",
            f"workspaces:{organization}",
            f"pools:{organization}",
            f"people:{organization}",
        ]


def open_socket(site: Site, path: str, user: User) -> ClientConnection:
    address = site.url.replace("http", "ws") + path
    headers = {"Coder-Session-Token": token_of(user)}
    return site.open.enter_context(connect(address, additional_headers=headers, open_timeout=PATIENCE))


def close_code(socket: ClientConnection) -> int:
    """What the server closes with; frames that came before are passed over."""

    def until_closed() -> None:
        while True:
            socket.recv(timeout=PATIENCE)

    with pytest.raises(ConnectionClosed) as closed:
        until_closed()
    return closed.value.rcvd.code if closed.value.rcvd is not None else 0


class Stream:
    """A server-sent stream, read on a thread until the server ends it."""

    def __init__(self, site: Site, path: str, user: User) -> None:
        request = urllib.request.Request(
            site.url + path, headers={"Coder-Session-Token": token_of(user), "Accept": "text/event-stream"}
        )
        self._answer = urllib.request.urlopen(request, timeout=PATIENCE)
        self._ended = threading.Event()
        self._has_data = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()
        assert self._has_data.wait(PATIENCE)

    def _read(self) -> None:
        for line in self._answer:
            if line.startswith(b"data: ") and line != b"data: {}\n":
                self._has_data.set()
        self._ended.set()

    def ends(self) -> bool:
        return self._ended.wait(PATIENCE)


def followed(site: Site, user: User, topics: list[str]) -> ClientConnection:
    live = open_socket(site, "/ws/live", user)
    live.send(json.dumps({"type": "subscribe", "topics": topics}))
    assert json.loads(live.recv(timeout=PATIENCE)) == {"type": "subscribed", "topics": topics}
    return live


def refused(live: ClientConnection) -> set[str]:
    """The topics that the server takes away; events that came before are passed over."""
    while True:
        message = json.loads(live.recv(timeout=PATIENCE))
        if message["type"] == "refused":
            return set(message["topics"])


def leave(scene: Scene) -> None:
    member = OrganizationMember.objects.get(user=scene.world.ada, organization=scene.world.organization)
    services.member_remove(subject(scene.world.boss), member=member)


@pytest.fixture(params=["by the periodic look", "by word"])
def way(request: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """Either looks are frequent and no word is sent, or words are sent and no look comes within the test."""
    if request.param == "by word":
        monkeypatch.setattr(socket_life, "RECHECK_SECONDS", NEVER)
    else:
        monkeypatch.setattr(socket_life, "RECHECK_SECONDS", OFTEN)
        silence(monkeypatch)
    return str(request.param)


def silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every word about access is lost on its way."""
    send, send_all = events._send, events._send_all

    def send_others(topic: str, event: Any) -> None:
        if not topic.startswith("access:"):
            send(topic, event)

    def send_all_others(announcements: Any) -> None:
        send_all([one for one in announcements if not one[0].startswith("access:")])

    monkeypatch.setattr(events, "_send", send_others)
    monkeypatch.setattr(events, "_send_all", send_all_others)


def test_who_leaves_an_organization_hears_no_more_of_it(site: Site, way: str) -> None:
    scene = Scene()
    ada = scene.world.ada
    sockets = {name: open_socket(site, f"/api/v2/{path}", ada) for name, path in scene.sockets().items()}
    live = followed(site, ada, [f"inbox:{ada.pk}", *scene.topics()])
    inbox = open_socket(site, "/api/v2/notifications/inbox/watch", ada)
    leave(scene)
    assert {name: close_code(socket) for name, socket in sockets.items()} == dict.fromkeys(sockets, 4404)
    assert refused(live) == set(scene.topics())
    # What was refused is not heard of any more; what is one's own still is.
    for topic in (*scene.topics(), f"inbox:{ada.pk}"):
        events.publish(topic, {"kind": "news"})
    heard = json.loads(live.recv(timeout=PATIENCE))
    assert heard == {"type": "event", "topic": f"inbox:{ada.pk}", "kind": "news"}
    assert json.loads(inbox.recv(timeout=PATIENCE)) == {"unread_count": 0}


def test_streams_end_with_the_right(site: Site, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams.data_stream, "__kwdefaults__", {"ping_interval": interval(way)})
    scene = Scene()
    opened = [Stream(site, f"/api/v2/{path}", scene.world.ada) for path in scene.streams().values()]
    leave(scene)
    assert all(stream.ends() for stream in opened)


def test_streams_end_with_the_login(site: Site, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams.data_stream, "__kwdefaults__", {"ping_interval": interval(way)})
    scene = Scene()
    opened = [Stream(site, f"/api/v2/{path}", scene.world.ada) for path in scene.streams().values()]
    services.user_status_set(subject(scene.world.boss), user=scene.world.ada, status=UserStatus.SUSPENDED)
    assert all(stream.ends() for stream in opened)


def interval(way: str) -> float:
    return NEVER if way == "by word" else OFTEN


def test_login_that_ends_closes_at_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_life, "RECHECK_SECONDS", NEVER)
    scene = Scene()
    live = followed(site, scene.world.ada, scene.topics())
    services.user_status_set(subject(scene.world.boss), user=scene.world.ada, status=UserStatus.SUSPENDED)
    assert close_code(live) == 4401


# --- each way of losing a right, with the change that takes it ----------------------------------------------


def by_site_role(scene: Scene, user: User) -> Callable[[], object]:
    boss = subject(scene.world.boss)
    services.user_roles_set(boss, user=user, roles=["template-admin"])
    return lambda: services.user_roles_set(boss, user=user, roles=[])


def by_organization_role(scene: Scene, user: User) -> Callable[[], object]:
    boss = subject(scene.world.boss)
    member = services.member_add(boss, organization=scene.world.organization, user=user)
    services.member_roles_set(boss, member=member, roles=["organization-admin"])
    return lambda: services.member_roles_set(boss, member=member, roles=[])


def by_custom_role(scene: Scene, user: User) -> Callable[[], object]:
    boss, organization = subject(scene.world.boss), scene.world.organization
    reading = [
        {"resource_type": "workspace", "action": "read"},
        {"resource_type": "template", "action": "read"},
    ]
    custom_role_create(boss, organization=organization, name="ops", organization_permissions=reading)
    services.member_add(boss, organization=organization, user=user, roles=["ops"])
    return lambda: custom_role_update(
        boss, organization=organization, name="ops", organization_permissions=[]
    )


def by_sharing(scene: Scene, user: User) -> Callable[[], object]:
    boss, workspace = subject(scene.world.boss), scene.running
    services.member_add(boss, organization=scene.world.organization, user=user)
    workspace_acl_update(actor=boss, workspace=workspace, user_roles={str(user.pk): "use"})
    return lambda: workspace_acl_update(actor=boss, workspace=workspace, user_roles={str(user.pk): ""})


def by_group_share(scene: Scene, user: User) -> Callable[[], object]:
    boss, workspace = subject(scene.world.boss), scene.running
    services.member_add(boss, organization=scene.world.organization, user=user)
    group = services.group_create(boss, organization=scene.world.organization, name="team")
    services.group_update(boss, group=group, add_users=[user])
    workspace_acl_update(actor=boss, workspace=workspace, group_roles={str(group.pk): "use"})
    return lambda: workspace_acl_update(actor=boss, workspace=workspace, group_roles={str(group.pk): ""})


def by_group(scene: Scene, user: User) -> Callable[[], object]:
    boss, workspace = subject(scene.world.boss), scene.running
    services.member_add(boss, organization=scene.world.organization, user=user)
    group = services.group_create(boss, organization=scene.world.organization, name="team")
    services.group_update(boss, group=group, add_users=[user])
    workspace_acl_update(actor=boss, workspace=workspace, group_roles={str(group.pk): "use"})
    return lambda: services.group_update(boss, group=group, remove_users=[user])


def by_deleted_group(scene: Scene, user: User) -> Callable[[], object]:
    boss, workspace = subject(scene.world.boss), scene.running
    services.member_add(boss, organization=scene.world.organization, user=user)
    group = services.group_create(boss, organization=scene.world.organization, name="team")
    services.group_update(boss, group=group, add_users=[user])
    workspace_acl_update(actor=boss, workspace=workspace, group_roles={str(group.pk): "use"})
    return lambda: services.group_delete(boss, group=group)


WAYS = (
    by_site_role,
    by_organization_role,
    by_custom_role,
    by_sharing,
    by_group_share,
    by_group,
    by_deleted_group,
)


@pytest.mark.parametrize("lost", WAYS)
def test_each_way_of_losing_a_right_is_heard_at_once(
    site: Site, lost: Callable[[Scene, User], Callable[[], object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_life, "RECHECK_SECONDS", NEVER)
    scene = Scene()
    bob = person("bob", memberships={})
    take_away = lost(scene, bob)
    feed = open_socket(site, f"/api/v2/workspaces/{scene.running.id}/watch-ws", bob)
    live = followed(site, bob, [f"workspace:{scene.running.id}"])
    take_away()
    assert close_code(feed) == 4404
    assert refused(live) == {f"workspace:{scene.running.id}"}


def test_everyones_access_to_a_template_is_taken(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_life, "RECHECK_SECONDS", NEVER)
    scene = Scene()
    form = open_socket(site, f"/api/v2/{scene.sockets()['the form']}", scene.world.ada)
    everyone = {str(scene.world.organization.id): ""}
    acl_update(actor=subject(scene.world.boss), template=scene.world.template, group_perms=everyone)
    assert close_code(form) == 4404
