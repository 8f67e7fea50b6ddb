"""A prebuild's build, as a job of workspaces, through the engine that the setting names."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from coder_admin.provisioning.queue import Claim
from coder_admin.provisioning.services import Timing
from coder_admin.workspaces.build_job import BuildHandler
from coder_admin.workspaces.dry_run_job import DryRunHandler
from coder_admin.workspaces.dry_runs import dry_run_create
from coder_admin.workspaces.outcomes import BuildOutcome
from tests.catalog.factories import make_file, make_version
from tests.people import subject
from tests.workspaces.world import IMPORT, make_world

from .test_builds import PREBUILT

pytestmark = pytest.mark.django_db


class Context:
    """What a handler sees of its job, without a worker around it."""

    def __init__(self, job: Any) -> None:
        self.job = job
        self.lines: list[str] = []
        self.ended = threading.Event()
        self.timings: list[Timing] = []
        self.claim = Claim(job.id, uuid.uuid4(), 1)

    def log(self, stage: str, output: str, level: str = "info", source: str = "provisioner") -> None:
        self.lines.append(output)

    @contextmanager
    def timing(self, stage: str, **more: str) -> Iterator[None]:
        yield

    def flush(self) -> None:
        pass

    def add_timings(self, timings: Iterable[Timing]) -> None:
        self.timings = list(timings)

    def check_canceled(self) -> None:
        assert not self.ended.is_set()


def test_a_prebuild_is_built_by_the_engine_of_the_setting(
    settings: Any, tmp_path: Path, terraform: str, mirror: Path
) -> None:
    settings.PROVISIONER_ENGINE = "terraform"
    settings.TERRAFORM_BINARY = terraform
    settings.TERRAFORM_CLI_CONFIG = str(mirror)
    settings.DATA_DIR = tmp_path
    world = make_world()
    file = make_file(world.boss, {"main.tf": PREBUILT})
    world.activate(
        make_version(world.boss, world.organization, template=world.template, result=IMPORT, file=file)
    )
    workspace = world.prebuild(settle=False)
    build = workspace.builds.get()
    context: Any = Context(build.job)
    outcome: BuildOutcome = BuildHandler().execute(context)
    shown = {resource.address: [a.env for a in resource.agents] for resource in outcome.resources}
    assert shown == {
        "terraform_data.ignoring": [],
        "terraform_data.machine": [{"OWNER": "prebuilds"}],
        "terraform_data.per_owner": [],
    }
    assert b'"terraform_version"' in outcome.state
    assert "terraform_data.machine: Creating..." in context.lines
    assert {(t.stage, t.source, t.action) for t in context.timings} == {
        ("apply", "coder", "create"),
        ("apply", "terraform", "create"),
    }
    assert (tmp_path / "workspaces" / str(workspace.id) / ".coder-admin" / "terraform").is_dir()


def test_a_dry_run_is_planned_by_it_and_leaves_nothing(
    settings: Any, tmp_path: Path, terraform: str, mirror: Path
) -> None:
    settings.PROVISIONER_ENGINE = "terraform"
    settings.TERRAFORM_BINARY = terraform
    settings.TERRAFORM_CLI_CONFIG = str(mirror)
    settings.DATA_DIR = tmp_path
    world = make_world()
    file = make_file(world.boss, {"main.tf": PREBUILT})
    world.activate(
        make_version(world.boss, world.organization, template=world.template, result=IMPORT, file=file)
    )
    dry_run = dry_run_create(actor=subject(world.ada), version=world.version, workspace_name="try-me")
    context: Any = Context(dry_run.job)
    planned = DryRunHandler().execute(context)
    shown = {resource["address"]: [agent["name"] for agent in resource["agents"]] for resource in planned}
    assert shown == {
        "terraform_data.ignoring": [],
        "terraform_data.machine": ["main"],
        "terraform_data.per_owner": [],
    }
    assert context.lines[-1] == "A dry run: nothing is made."
    assert list((tmp_path / "dry-runs").rglob("*")) == []
    assert not (tmp_path / "workspaces").exists()
