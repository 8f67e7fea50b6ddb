"""The reconciler killed with SIGKILL between any two statements of a pass: the next pass converges."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any, NoReturn

import pytest
from channels.layers import channel_layers
from django.db import connection, connections
from django.utils import timezone

from coder_admin.catalog.models import Template
from coder_admin.foundation.models import Lease
from coder_admin.organizations.models import PREBUILDS_USER_ID, Group, GroupMember, OrganizationMember
from coder_admin.provisioning.models import ProvisionerJob
from coder_admin.workspaces.models import Workspace, WorkspaceBuild
from prebuilds.loader import Scope
from prebuilds.passes import Stats, reconcile_once
from tests.prebuilds import world
from tests.prebuilds.world import Prebuild

pytestmark = pytest.mark.django_db(transaction=True)

SIZE = 2
DONE, FAILED, NOT_LED = 0, 1, 2


def busy_template(name: str) -> Template:
    """A template that a pass does everything to: cancel, orphan, delete outdated and expired, create."""
    row = world.template(name)
    old = row.active_version
    outdated = world.preset(old, 1)
    Prebuild(outdated, old).save()
    Prebuild(outdated, old, status="pending", agents=()).save()
    preset = world.preset(world.promote(row, world.version(row, "v2")), SIZE, invalidate_after_secs=3600)
    Prebuild(preset, preset.template_version, age=timedelta(hours=2)).save()
    return row


def killed_at(point: int, work: Callable[[], Stats]) -> bool:
    """Run `work` in a child that is killed at the nth point; False when it ended before that.

    Points are the first statement and each one that follows a write, inside a transaction or after it: where
    only reads lie between two of them, being killed leaves the same behind.
    """
    while True:
        connections.close_all()
        if connection.vendor == "postgresql":
            assert hasattr(connection, "close_pool")
            connection.close_pool()  # its threads do not live on in the child
        child = os.fork()
        if child == 0:
            _work_and_die(point, work)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            assert os.WTERMSIG(status) == signal.SIGKILL
            return True
        if os.WEXITSTATUS(status) == DONE:
            return False
        assert os.WEXITSTATUS(status) == NOT_LED, "the pass failed by itself"
        time.sleep(0.01)  # the server has not noticed yet that the last child is gone


def _work_and_die(point: int, work: Callable[[], Stats]) -> NoReturn:
    """In the child."""
    seen, wrote = 0, True

    def count(execute: Callable[..., Any], sql: str, *args: Any) -> Any:
        nonlocal seen, wrote
        if wrote:
            seen += 1
            if seen == point:
                os.kill(os.getpid(), signal.SIGKILL)
        wrote = not sql.lstrip().upper().startswith("SELECT")
        return execute(sql, *args)

    code = FAILED
    try:
        channel_layers.backends.clear()
        with connection.execute_wrapper(count):
            code = DONE if work().led else NOT_LED
    finally:
        os._exit(code)


def let_the_lease_run_out() -> None:
    """PostgreSQL frees the lock with the session; on SQLite the dead holder's lease ends after its time."""
    Lease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))


def assert_nothing_is_half_done() -> None:
    """Every workspace has a build, every build its job, and what was cancelled is being deleted."""
    assert not Workspace.objects.filter(latest_build__isnull=True).exists()
    builds = WorkspaceBuild.objects.values_list("job", flat=True)
    assert not ProvisionerJob.objects.filter(type="workspace_build").exclude(id__in=builds).exists()
    canceled = WorkspaceBuild.objects.filter(transition="start", job__job_status="canceled")
    assert not canceled.filter(latest_of__isnull=False).exists()


def test_a_pass_killed_anywhere_is_made_good_by_the_next() -> None:
    templates: list[Template] = []
    while True:
        number = len(templates) + 1
        assert number < 400, "the pass does not end"
        template = busy_template(f"t{number}")
        templates.append(template)
        scope = Scope(frozenset({template.id}))
        killed = killed_at(number, partial(reconcile_once, scope=scope))
        let_the_lease_run_out()
        assert_nothing_is_half_done()
        if not killed:
            break
    assert len(templates) > 30

    stats = reconcile_once()
    assert stats.errors == []
    assert reconcile_once().created == 0
    assert_nothing_is_half_done()
    for template in templates:
        rows = Workspace.objects.filter(template=template, owner=PREBUILDS_USER_ID)
        builds = [
            (row.latest_build.transition, row.latest_build.template_version.name, row.deleted)
            for row in rows.select_related("latest_build__template_version").order_by("created_at")
            if row.latest_build is not None
        ]
        assert sorted(builds) == [
            ("delete", "v1", False),
            ("delete", "v1", True),  # never provisioned: an orphan, deleted without a worker
            ("delete", "v2", False),
            ("start", "v2", False),
            ("start", "v2", False),
        ]
    prebuilds = {"user": PREBUILDS_USER_ID}
    organization = world.organization()
    group = Group.objects.get(organization=organization, name="coderprebuiltworkspaces")
    assert OrganizationMember.objects.filter(organization=organization, **prebuilds).count() == 1
    assert GroupMember.objects.filter(group=group, **prebuilds).count() == 1
