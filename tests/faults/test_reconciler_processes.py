"""`manage.py reconcile_prebuilds` as processes: two on one database, one killed, one asked to end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from coder_admin.catalog.models import TemplateVersionPreset
from coder_admin.foundation.models import Lease
from coder_admin.organizations.models import PREBUILDS_USER_ID
from coder_admin.workspaces.models import Workspace
from prebuilds.leader import ADVISORY_KEY, leadership
from tests.prebuilds import world
from tests.provisioning.conftest import eventually
from tests.provisioning.test_killed_workers import environment

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120)]

ROOT = Path(__file__).resolve().parent.parent.parent
PRESETS, SIZE = 15, 4


class Process:
    """A running reconciler; `name` is that of its sessions on PostgreSQL."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.output = name, folder / f"{name}.log"
        with self.output.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "reconcile_prebuilds", "--interval", "0.1"],
                cwd=ROOT,
                env={**environment(), "PGAPPNAME": name},
                stdout=log,
                stderr=log,
            )

    def has_started(self) -> bool:
        assert self.process.poll() is None, self.output.read_text()
        return "reconciler started" in self.output.read_text()


@pytest.fixture
def two(tmp_path: Path) -> Iterator[list[Process]]:
    connection.close()
    running = [Process(f"reconciler-{name}", tmp_path) for name in ("a", "b")]
    yield running
    for item in running:
        item.process.kill()
        item.process.wait(10)


def pooled() -> int:
    return Workspace.objects.filter(owner=PREBUILDS_USER_ID).count()


def sizes() -> set[int]:
    return {preset.workspace_builds.count() for preset in TemplateVersionPreset.objects.all()}


def leader(running: list[Process]) -> Process | None:
    """Who leads now; on SQLite nobody can tell, and it is said to be the first."""
    if connection.vendor != "postgresql":
        return running[0]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)"
            " WHERE locktype = 'advisory' AND granted AND objid = %s",
            [ADVISORY_KEY & 0xFFFFFFFF],
        )
        names = [name for (name,) in cursor.fetchall()]
    return next((item for item in running if item.name in names), None)


def fill(name: str) -> None:
    template = world.template(name)
    for number in range(PRESETS):
        world.preset(template.active_version, SIZE, name=f"p{number}")


def test_one_of_two_is_killed_and_the_other_takes_over(two: list[Process]) -> None:
    eventually(lambda: all(item.has_started() for item in two), within=60, what="both reconcilers")
    fill("together")
    eventually(lambda: pooled() >= PRESETS * SIZE, within=30, what="the first pools")
    assert sizes() == {SIZE}

    before = pooled()
    fill("killed")
    eventually(lambda: pooled() > before, within=30, what="the beginning of the second pools")
    victim = eventually(lambda: leader(two), what="a leader")
    victim.process.send_signal(signal.SIGKILL)
    assert victim.process.wait(10) == -signal.SIGKILL
    assert pooled() < 2 * before, "it was not killed in the middle of its work"
    # The lease of the dead holder, if it held it, ends after its time.
    Lease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    eventually(lambda: pooled() >= 2 * before, within=30, what="the rest of the second pools")

    other = next(item for item in two if item is not victim)
    other.process.send_signal(signal.SIGTERM)
    assert other.process.wait(15) == 0
    assert "Traceback" not in other.output.read_text()
    # It has let go of the lead, and nobody ever made one too many.
    with leadership() as lead:
        assert lead is not None
    assert sizes() == {SIZE}


def test_asked_to_end_in_the_middle_of_a_pass_it_leaves_no_half_of_it(two: list[Process]) -> None:
    only, spare = two
    spare.process.kill()
    eventually(only.has_started, within=60, what="the reconciler")
    fill("large")
    eventually(lambda: pooled() > 0, within=30, what="the beginning of the pools")
    os.kill(only.process.pid, signal.SIGTERM)
    assert only.process.wait(15) == 0
    made = pooled()
    assert made < PRESETS * SIZE, "it was not asked in the middle of its work"
    assert made % SIZE == 0, "it ends between two presets"
    assert not Workspace.objects.filter(latest_build__isnull=True).exists()
    with leadership() as lead:
        assert lead is not None
