"""The snapshot is one view of the database: read only, and blind to what is committed meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, connections
from django.utils import timezone

from coder_admin.catalog.models import Template
from prebuilds.loader import load_snapshot
from prebuilds.snapshot import Config
from tests.prebuilds import world
from tests.prebuilds.world import Prebuild

pytestmark = pytest.mark.django_db(transaction=True)


def beside_each_statement(work: Callable[[int], None]) -> Callable[..., Any]:
    """A wrapper that calls `work(number)` after every statement but its own."""
    busy, count = False, 0

    def wrapper(execute: Callable[..., Any], *args: Any) -> Any:
        nonlocal busy, count
        result = execute(*args)
        if not busy and args[0].lstrip().upper().startswith("SELECT"):
            busy = True
            count += 1
            work(count)
            busy = False
        return result

    return wrapper


def test_every_statement_reads_in_one_read_only_transaction() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no such settings; what they are for is tested below")
    template = world.template()
    Prebuild(world.preset(template.active_version), template.active_version, "failed").save()
    seen: list[tuple[str, str]] = []

    def ask(_number: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only')"
            )
            seen.append(cursor.fetchone())

    with connection.execute_wrapper(beside_each_statement(ask)):
        load_snapshot(timezone.now(), Config())
    assert len(seen) > 6
    assert set(seen) == {("repeatable read", "on")}
    with connection.cursor() as cursor:  # and nothing of it stays with the connection
        cursor.execute("SHOW transaction_isolation")
        assert cursor.fetchone() == ("read committed",)


def test_what_is_committed_between_two_statements_is_not_half_seen() -> None:
    template = world.template()
    version = template.active_version
    preset = world.preset(version, 2, invalidate_after_secs=60)
    kept = Prebuild(preset, version).save()
    writers = 0

    def change_everything() -> None:
        Prebuild(preset, version).save()
        Prebuild(preset, version, "failed").save()
        Prebuild(preset, version, "running", agents=()).save()
        preset.schedules.create(cron_expression="* * * * *", desired_instances=9)
        Template.objects.filter(pk=template.pk).update(deleted=True)
        connections.close_all()

    def meanwhile(number: int) -> None:
        nonlocal writers
        if number == 1:
            thread = threading.Thread(target=change_everything)
            thread.start()
            thread.join(20)
            writers += 1

    with connection.execute_wrapper(beside_each_statement(meanwhile)):
        found = load_snapshot(timezone.now(), Config())
    assert writers == 1
    assert [row.id for row in found.running] == [str(kept.pk)]
    assert (found.schedules, found.in_progress, found.backoffs, found.failed) == ((), (), (), ())
    assert not found.presets[0].deleted
    later = load_snapshot(timezone.now(), Config())
    assert (len(later.running), len(later.failed), later.presets[0].deleted) == (2, 1, True)
