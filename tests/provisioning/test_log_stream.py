"""The websocket of a job's log."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from channels.routing import URLRouter
from django.urls import path
from django.utils import timezone

from coder_admin.foundation.errors import NotFound
from coder_admin.organizations.models import User
from coder_admin.provisioning import consumers, services
from coder_admin.provisioning.consumers import JobLogConsumer
from coder_admin.provisioning.handlers import JobFailed
from coder_admin.provisioning.limits import Line
from coder_admin.provisioning.models import ProvisionerJob
from rbac.model import Subject
from tests.provisioning.test_queue import take, worker

pytestmark = pytest.mark.django_db(transaction=True)


class Consumer(JobLogConsumer):
    """Stands for a room's consumer: the path holds the job, and one user is refused."""

    @property
    def viewer(self) -> Subject:
        return Subject(self.scope["user"].username)

    def find_job(self, viewer: Subject, **path: Any) -> uuid.UUID:
        if viewer.id == "stranger":
            raise NotFound()
        job: uuid.UUID = path["job"]
        return job


class Client(ApplicationCommunicator):
    """A websocket client (channels' own needs daphne)."""

    async def open(self) -> None:
        await self.send_input({"type": "websocket.connect"})
        assert (await self.receive_output(timeout=5))["type"] == "websocket.accept"

    async def receive(self) -> Any:
        event = await self.receive_output(timeout=5)
        assert event["type"] == "websocket.send", event
        return json.loads(event["text"])

    async def leave(self) -> None:
        await self.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wait(timeout=5)

    async def closed(self) -> int:
        event = await self.receive_output(timeout=5)
        assert event["type"] == "websocket.close", event
        code: int = event.get("code") or 1000
        return code


def connect(job: ProvisionerJob, query: str = "", user: str = "friend") -> Client:
    scope = {
        "type": "websocket",
        "path": f"/ws/{job.id}",
        "query_string": query.encode(),
        "headers": [],
        "subprotocols": [],
        "user": User(username=user),
    }
    return Client(URLRouter([path("ws/<uuid:job>", Consumer.as_asgi())]), scope)


@sync_to_async
def write(job: ProvisionerJob, *outputs: str) -> None:
    services.log_append(job_id=job.id, lines=[Line(timezone.now(), "Applying", o) for o in outputs])


@sync_to_async
def begin(job: ProvisionerJob) -> Any:
    return take(worker())


async def test_stored_lines_then_live_ones_then_the_end(make_job: Callable[..., ProvisionerJob]) -> None:
    job = await sync_to_async(make_job)()
    claim = await begin(job)
    await write(job, "one", "two")
    communicator = connect(job)
    await communicator.open()
    first = await communicator.receive()
    assert {k: first[k] for k in ("output", "stage", "log_level", "log_source")} == {
        "output": "one",
        "stage": "Applying",
        "log_level": "info",
        "log_source": "provisioner",
    }
    assert (await communicator.receive())["output"] == "two"
    await write(job, "three")
    assert (await communicator.receive())["output"] == "three"
    await write(job, "last")
    await sync_to_async(services.job_fail)(claim=claim, error=JobFailed("broken"))
    assert (await communicator.receive())["output"] == "last"
    assert await communicator.closed() == 1000


async def test_a_client_resumes_where_it_was_cut_off(make_job: Callable[..., ProvisionerJob]) -> None:
    job = await sync_to_async(make_job)()
    await write(job, "one", "two", "three")
    communicator = connect(job)
    await communicator.open()
    await communicator.receive()
    seen = (await communicator.receive())["id"]
    await communicator.leave()
    again = connect(job, f"after={seen}&batch=1")
    await again.open()
    assert [line["output"] for line in await again.receive()] == ["three"]
    await again.leave()


async def test_a_lost_event_costs_only_the_poll(
    make_job: Callable[..., ProvisionerJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "LOOK_EVERY", 0.1)
    job = await sync_to_async(make_job)()
    communicator = connect(job)
    await communicator.open()
    monkeypatch.setattr("coder_admin.foundation.events.publish", lambda topic, event: None)
    await write(job, "unannounced")
    assert (await communicator.receive())["output"] == "unannounced"
    await communicator.leave()


@pytest.mark.parametrize(("query", "user", "code"), [("", "stranger", 4404), ("after=x", "friend", 4400)])
async def test_a_refused_client_gets_a_code_and_nothing_else(
    make_job: Callable[..., ProvisionerJob], query: str, user: str, code: int
) -> None:
    job = await sync_to_async(make_job)()
    await write(job, "secret")
    communicator = connect(job, query, user)
    await communicator.open()
    assert await communicator.closed() == code


async def test_ten_thousand_lines_arrive_quickly_and_in_order(
    make_job: Callable[..., ProvisionerJob],
) -> None:
    job = await sync_to_async(make_job)()
    for start in range(0, 10_000, 1_000):
        await write(job, *(str(n) for n in range(start, start + 1_000)))
    await sync_to_async(ProvisionerJob.objects.filter(id=job.id).update)(
        started_at=timezone.now(), completed_at=timezone.now()
    )
    communicator = connect(job, "batch=1")
    began = time.monotonic()
    await communicator.open()
    seen: list[int] = []
    while len(seen) < 10_000:
        lines = await communicator.receive()
        assert len(lines) <= consumers.BATCH
        seen += [int(line["output"]) for line in lines]
    assert seen == list(range(10_000))
    assert time.monotonic() - began < 5.0  # 2 s is the goal on a machine that does nothing else
    assert await communicator.closed() == 1000
