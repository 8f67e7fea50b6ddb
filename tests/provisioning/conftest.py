"""Rows and workers for the tests of this room."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from coder_admin.organizations.models import Organization, User
from coder_admin.provisioning import handlers, services
from coder_admin.provisioning.choices import JobType
from coder_admin.provisioning.models import ProvisionerJob
from rbac import SystemSubject, acting_as


def eventually(check: Callable[[], Any], *, within: float = 10.0, what: str = "the condition") -> Any:
    """The first truthy answer; fails when none comes in time."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        found = check()
        if found:
            return found
        time.sleep(0.01)
    pytest.fail(f"{what} did not come true within {within} s")


class Recorder:
    """A handler whose work a test decides, and which remembers how jobs ended."""

    def __init__(self) -> None:
        self.work: Callable[[Any], object] = lambda ctx: None
        self.on_complete: Callable[[ProvisionerJob, Any], None] = lambda job, result: None
        self.completed: list[tuple[uuid.UUID, Any]] = []
        self.failed: list[tuple[uuid.UUID, Exception]] = []
        self.started: list[uuid.UUID] = []
        self.lock = threading.Lock()

    def execute(self, ctx: Any) -> object:
        with self.lock:
            self.started.append(ctx.job.id)
        return self.work(ctx)

    def complete(self, job: ProvisionerJob, result: Any) -> None:
        self.on_complete(job, result)
        self.completed.append((job.id, result))

    def fail(self, job: ProvisionerJob, error: Exception) -> None:
        self.failed.append((job.id, error))


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """Stands for the room that owns dry runs, for the length of a test."""
    before = dict(handlers._handlers)
    made = Recorder()
    handlers._handlers.clear()
    handlers.register(JobType.TEMPLATE_VERSION_DRY_RUN, made)
    yield made
    handlers._handlers.clear()
    handlers._handlers.update(before)


@pytest.fixture
def organization() -> Organization:
    return Organization.objects.create(name=f"org-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def person() -> User:
    name = f"u{uuid.uuid4().hex[:8]}"
    return User.objects.create(username=name, email=f"{name}@example.com")


@pytest.fixture
def make_job(organization: Organization, person: User) -> Callable[..., ProvisionerJob]:
    def make(**fields: Any) -> ProvisionerJob:
        with acting_as(SystemSubject.PROVISIONERD, reason="a job for a test") as actor:
            return services.job_create(
                actor=actor,
                organization_id=fields.pop("organization_id", organization.id),
                initiator_id=fields.pop("initiator_id", person.id),
                type=fields.pop("type", JobType.TEMPLATE_VERSION_DRY_RUN),
                input=fields.pop("input", {}),
                **fields,
            )

    return make
