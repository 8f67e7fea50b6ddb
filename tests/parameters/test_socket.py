"""The websocket of dynamic parameters on a real server (reference dynamic-parameters 2)."""

from __future__ import annotations

import contextlib
import json
import threading
import uuid
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from prometheus_client import REGISTRY
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from coder_admin.catalog.imports import ImportResult
from coder_admin.catalog.models import TemplateVersion
from coder_admin.files.cache import file_cache
from coder_admin.organizations.models import Organization, User
from coder_admin.parameters import consumers
from coder_admin.provisioning.limits import Line
from coder_admin.provisioning.services import job_complete_without_worker, log_append
from tests.catalog.factories import (
    actor_of,
    make_file,
    make_group,
    make_organization,
    make_template,
    make_user,
    make_version,
)
from tests.provisioning.conftest import eventually

from .conftest import Server, cookie_of

pytestmark = pytest.mark.django_db(transaction=True)

FORM = """
data "coder_workspace_owner" "me" {}

data "coder_parameter" "size" {
  name    = "size"
  default = contains(data.coder_workspace_owner.me.groups, "big") ? "large" : "small"
  option {
    name  = "Small"
    value = "small"
  }
  option {
    name  = "Large"
    value = "large"
  }
}

data "coder_parameter" "disk" {
  count   = data.coder_parameter.size.value == "large" ? 1 : 0
  name    = "disk"
  type    = "number"
  default = 100
}

data "coder_parameter" "who" {
  name    = "who"
  default = data.coder_workspace_owner.me.name
}
"""


class World:
    """A template with a form, its admin, a member and a stranger."""

    def __init__(self, server: Server) -> None:
        self.port = server.port
        self.organization: Organization = make_organization()
        self.admin = make_user(self.organization, org_roles=["organization-template-admin"])
        self.member, self.stranger = make_user(self.organization), make_user(make_organization())
        file = make_file(self.admin, {"main.tf": FORM})
        template = make_template(self.admin, self.organization, version=self.make(file=file))
        assert template.active_version is not None
        self.version: TemplateVersion = template.active_version

    def make(self, **fields: Any) -> TemplateVersion:
        return make_version(self.admin, self.organization, **fields)

    def open(
        self, user: User | None, *, version: Any = None, query: str = "", origin: str = ""
    ) -> ClientConnection:
        version_id = getattr(version or self.version, "id", version)
        headers = {"Cookie": cookie_of(user)} if user else {}
        return connect(
            f"ws://127.0.0.1:{self.port}/api/v2/templateversions/{version_id}/dynamic-parameters{query}",
            additional_headers=headers,
            origin=Origin(origin or f"http://127.0.0.1:{self.port}"),
            open_timeout=20,
            max_size=None,
        )


@pytest.fixture
def world(server: Server) -> World:
    return World(server)


def receive(socket: ClientConnection) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(socket.recv(timeout=20))
    return body


def ask(socket: ClientConnection, number: int, **body: Any) -> dict[str, Any]:
    socket.send(json.dumps({"id": number, "inputs": {}, **body}))
    return receive(socket)


def values(body: dict[str, Any]) -> dict[str, str]:
    return {p["name"]: p["value"]["value"] for p in body["parameters"]}


GAUGES = ("open_files_current", "open_file_refs_current", "open_files_size_bytes_current")


def gauges() -> list[float | None]:
    return [REGISTRY.get_sample_value(f"coderd_file_cache_{name}") for name in GAUGES]


def files_are_released() -> None:
    released = lambda: (file_cache.open_files, file_cache.references) == (0, 0)  # noqa: E731
    eventually(released, within=30, what="releasing the files")
    eventually(lambda: gauges() == [0, 0, 0], what="the gauges of open files")


def test_first_answer_then_one_for_each_request(world: World) -> None:
    with world.open(world.member) as socket:
        first = receive(socket)
        assert first["id"] == -1
        assert values(first) == {"size": "small", "who": world.member.username}
        assert file_cache.references == 1
        large = ask(socket, 1, inputs={"size": "large"})
        assert (large["id"], values(large)["disk"]) == (1, "100")
        assert [ask(socket, number)["id"] for number in (1, 0, 50, 3)] == [2, 3, 50, 51]
        wrong = ask(socket, 60, inputs={"size": "huge"})
        (size,) = [p for p in wrong["parameters"] if p["name"] == "size"]
        assert size["value"] == {"value": "huge", "valid": True}
        assert size["diagnostics"][0]["severity"] == "error"
    files_are_released()


def test_owner_is_chosen_by_address_and_by_request(world: World) -> None:
    big = make_user(world.organization)
    make_group(world.organization, "big", big)
    nobody = str(uuid.uuid4())
    with world.open(world.admin, query=f"?user_id={big.id}") as socket:
        assert values(receive(socket)) == {"size": "large", "disk": "100", "who": big.username}
        assert values(ask(socket, 1, owner_id=str(world.admin.id)))["who"] == world.admin.username
        assert values(ask(socket, 2))["who"] == world.admin.username
        lost = ask(socket, 3, owner_id=nobody)
        assert lost["parameters"] == []
        assert lost["diagnostics"][0]["extra"]["code"] == "owner_not_found"
        assert values(ask(socket, 4, owner_id=str(big.id)))["who"] == big.username
    with world.open(world.member, query="?user_id=me") as socket:
        receive(socket)
        foreign = ask(socket, 1, owner_id=str(world.stranger.id))
        assert foreign["diagnostics"][0]["extra"]["code"] == "owner_not_found"
    files_are_released()


def test_malformed_frames_are_answered_and_the_form_stays(world: World) -> None:
    with world.open(world.member) as socket:
        first = receive(socket)
        frames: list[str | bytes] = ["{", '{"inputs": {"a": 1}}', b"\x00\x01", "[]"]
        for number, frame in enumerate(frames):
            socket.send(frame)
            answer = receive(socket)
            assert answer["id"] == number
            assert answer["diagnostics"][0]["summary"] == "The request could not be read"
            assert answer["parameters"] == first["parameters"]
        assert values(ask(socket, 99, inputs={"size": "large"}))["size"] == "large"


def test_oversized_frame_closes_with_1009(world: World) -> None:
    with world.open(world.member) as socket:
        receive(socket)
        socket.send(json.dumps({"id": 1, "inputs": {"size": "x" * 40_000}}))
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=20)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009
    files_are_released()


def test_idle_form_is_closed_with_1001_and_use_renews_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers.ParametersConsumer, "idle_seconds", 1.0)
    with world.open(world.member) as socket:
        receive(socket)
        for number in range(4):
            threading.Event().wait(0.4)
            assert ask(socket, number)["id"] == number
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=20)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001


def test_queued_requests_are_merged_and_the_newest_is_answered(world: World) -> None:
    with world.open(world.member) as socket:
        receive(socket)
        for number in range(1, 201):
            socket.send(json.dumps({"id": number, "inputs": {"who": str(number)}}))
        ids: list[int] = []
        while not ids or ids[-1] != 200:
            answer = receive(socket)
            ids.append(answer["id"])
            assert values(answer)["who"] == str(answer["id"])
        assert ids == sorted(set(ids))


def status_of(world: World, *arguments: Any, **options: Any) -> tuple[int, Any]:
    with pytest.raises(InvalidStatus) as refused:
        world.open(*arguments, **options)
    body = refused.value.response.body
    return refused.value.response.status_code, json.loads(body) if body.startswith(b"{") else {}


def test_refusals_before_the_upgrade(world: World) -> None:
    assert status_of(world, None)[0] == 401
    assert status_of(world, world.stranger)[0] == 404
    assert status_of(world, world.member, version=uuid.uuid4())[0] == 404
    status, body = status_of(world, world.member, query="?user_id=nobody")
    assert (status, body["message"]) == (400, "Invalid user_id query parameter")
    waiting = world.make(done=False)
    status, body = status_of(world, world.admin, version=waiting)
    assert (status, body["message"]) == (425, "Template version job has not finished")
    assert status_of(world, world.member, origin="https://evil.example")[0] == 403
    files_are_released()


def test_a_template_beyond_its_budget_is_told_and_the_socket_stays(world: World) -> None:
    loops = "[for i in range(1000) : [for j in range(1000) : [for k in range(1000) : i + j + k]]]"
    wide = FORM + f"locals {{\n  wide = {loops}\n}}\n"
    wide += 'data "coder_parameter" "wide" {\n  name = "wide"\n  default = length(local.wide)\n}\n'
    version = world.make(file=make_file(world.admin, {"main.tf": wide}))
    with world.open(world.admin, version=version) as socket:
        assert "budget" in receive(socket)["diagnostics"][0]["summary"]
        again = ask(socket, 7, inputs={"size": "large"})
        assert (again["id"], "budget" in again["diagnostics"][0]["summary"]) == (7, True)
    files_are_released()


def test_a_version_that_cannot_be_prepared_is_a_500_and_holds_no_file(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_cache, "_fetch", lambda file_id: (_ for _ in ()).throw(ConnectionError("away")))
    status, body = status_of(world, world.member)
    assert (status, body["message"]) == (500, "Internal error fetching template version data.")
    assert body["detail"] == "away"
    files_are_released()


def test_user_without_rights_is_refused_while_others_have_the_form_open(world: World) -> None:
    with world.open(world.member) as socket:
        receive(socket)
        assert status_of(world, world.stranger)[0] == 404
        assert ask(socket, 1)["id"] == 1
    files_are_released()


def test_fifty_forms_share_one_open_file(world: World) -> None:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(world.open(world.member)) for _ in range(50)]
        for socket in sockets:
            assert receive(socket)["id"] == -1
        assert (file_cache.open_files, file_cache.references) == (1, 50)
        assert gauges()[:2] == [1, 50]
        for number, socket in enumerate(sockets):
            socket.send(json.dumps({"id": 1, "inputs": {"who": f"n{number}"}}))
        for number, socket in enumerate(sockets):
            assert values(receive(socket))["who"] == f"n{number}"
    files_are_released()


def test_version_without_metadata_is_static(world: World) -> None:
    version = world.make(result=ImportResult(api_version="1.5"))
    with world.open(world.admin, version=version) as socket:
        first = receive(socket)
        assert first["parameters"] == []
        assert "missing metadata" in first["diagnostics"][0]["summary"]


def test_log_of_an_import_is_followed_to_its_end(world: World) -> None:
    version = world.make(done=False)
    log_append(
        job_id=version.job_id, lines=[Line(timezone.now(), "Parsing template", "one", "info", "provisioner")]
    )
    url = f"ws://127.0.0.1:{world.port}/api/v2/templateversions/{version.id}/logs?follow"
    with connect(
        url,
        additional_headers={"Cookie": cookie_of(world.admin)},
        origin=Origin(f"http://127.0.0.1:{world.port}"),
        open_timeout=20,
    ) as socket:
        assert receive(socket)["output"] == "one"
        line = Line(timezone.now(), "Parsing template", "two", "info", "provisioner")
        log_append(job_id=version.job_id, lines=[line])
        assert receive(socket)["output"] == "two"
        with transaction.atomic():
            job_complete_without_worker(actor=actor_of(world.admin), job_id=version.job_id)
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=20)
