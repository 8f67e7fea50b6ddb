"""Whole passes over the nights in which clocks change: the loop's own instants, and the pool after each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from coder_admin.organizations.models import PREBUILDS_USER_ID
from coder_admin.provisioning.models import ProvisionerJob
from coder_admin.workspaces.models import Workspace
from prebuilds.passes import reconcile_once
from tests.prebuilds import world

pytestmark = pytest.mark.django_db

INSTANT = timedelta(microseconds=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=UTC)


def let_jobs_succeed() -> None:
    now = timezone.now()
    pool = Workspace.objects.filter(owner=PREBUILDS_USER_ID)
    pool.filter(latest_build__transition="delete").update(deleted=True)
    ProvisionerJob.objects.filter(type="workspace_build", completed_at=None).update(
        started_at=now, completed_at=now
    )


def pool_after_pass(now: datetime) -> tuple[int, datetime | None]:
    """The size of the pool once the pass's jobs are done, and when the loop would look next."""
    stats = reconcile_once(now, horizon=timedelta(days=2))
    assert stats.errors == []
    let_jobs_succeed()
    return Workspace.objects.filter(owner=PREBUILDS_USER_ID, deleted=False).count(), stats.next_due


@pytest.mark.parametrize(
    ("zone", "cron", "begins", "grows", "shrinks"),
    [
        # Forward: an hour that the day has not, and the next, which comes at once.
        ("America/New_York", "* 2-3 * * 0", "03-08T00:00", "03-08T07:00", "03-08T08:00"),
        ("Europe/Berlin", "* 2 * * *", "03-28T12:00", "03-30T00:00", "03-30T01:00"),
        ("Australia/Lord_Howe", "* 2 * * *", "10-03T12:00", "10-03T15:30", "10-03T16:00"),
        ("Africa/Casablanca", "* 2-3 * * *", "03-21T12:00", "03-22T02:00", "03-22T03:00"),
        # Back: an hour that comes twice is one stretch, and half an hour longer on Lord Howe.
        ("America/New_York", "* 1 * * 0", "11-01T00:00", "11-01T05:00", "11-01T07:00"),
        ("Europe/Berlin", "* 2 * * *", "10-24T12:00", "10-25T00:00", "10-25T02:00"),
        ("Australia/Lord_Howe", "* 1 * * *", "04-04T12:00", "04-04T14:00", "04-04T15:30"),
        ("Africa/Casablanca", "* 2 * * *", "02-14T12:00", "02-15T01:00", "02-15T03:00"),
    ],
)
def test_a_pool_follows_its_schedule_over_a_change_of_clocks(
    zone: str, cron: str, begins: str, grows: str, shrinks: str
) -> None:
    preset = world.preset(world.template().active_version, 0, scheduling_timezone=zone)
    preset.schedules.create(cron_expression=cron, desired_instances=2)
    size, due = pool_after_pass(utc(begins))
    assert size == 0
    for edge, wanted in ((utc(grows), 2), (utc(shrinks), 0)):
        assert due == edge
        assert pool_after_pass(edge - INSTANT) == (size, edge)
        size, due = pool_after_pass(edge)
        assert size == wanted
