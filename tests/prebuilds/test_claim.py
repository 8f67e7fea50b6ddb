"""Claims: which prebuild may be handed out, what the new owner gets, and many claimers at once."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from coder_admin.catalog.models import Template
from coder_admin.organizations.models import PREBUILDS_USER_ID
from coder_admin.workspaces.models import Workspace
from prebuilds.claim import claim
from prebuilds.models import PrebuildEvent
from tests.prebuilds import world
from tests.prebuilds.conftest import claim_request
from tests.prebuilds.world import Prebuild


@pytest.mark.django_db
def test_a_claimed_prebuild_is_the_new_owners_in_every_field() -> None:
    template = world.template()
    preset = world.preset(template.active_version)
    long_ago = timezone.now() - timedelta(days=3)
    prebuild = Prebuild(preset, template.active_version, age=timedelta(days=3)).save()
    Workspace.objects.filter(pk=prebuild.pk).update(dormant_at=long_ago, deleting_at=long_ago)
    ann, now = world.person(), timezone.now()
    claimed = claim(
        claim_request(
            preset, ann, now=now, name="mine", ttl_ms=60_000, autostart_schedule="CRON_TZ=UTC 0 9 * * *",
            next_start_at=now, automatic_updates="always",
        )
    )  # fmt: skip
    assert claimed is not None
    assert claimed.pk == prebuild.pk
    assert (claimed.owner_id, claimed.name, claimed.ttl_ms) == (ann.id, "mine", 60_000)
    assert (claimed.dormant_at, claimed.deleting_at, claimed.last_used_at, claimed.updated_at) == (
        None,
        None,
        now,
        now,
    )
    assert (claimed.autostart_schedule, claimed.next_start_at) == ("CRON_TZ=UTC 0 9 * * *", now)
    assert claimed.automatic_updates == "always"
    assert claimed.created_at == prebuild.created_at
    event = PrebuildEvent.objects.get()
    assert (event.kind, event.workspace_id, event.preset_name) == ("claim", prebuild.pk, "large")
    assert float(event.details["prebuild_age_seconds"]) == pytest.approx(3 * 86_400, abs=60)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "prebuild",
    [
        {"agents": ()},
        {"agents": ("ready", "starting")},
        {"agents": ("start_error",)},
        {"status": "running"},
        {"status": "failed"},
        {"transition": "stop"},
        {"fields": {"deleted": True}},
        {"age": timedelta(hours=2)},
    ],
)
def test_what_is_not_eligible_is_never_handed_out(prebuild: dict[str, object]) -> None:
    template = world.template()
    preset = world.preset(template.active_version, invalidate_after_secs=3600)
    Prebuild(preset, template.active_version, **prebuild).save()  # type: ignore[arg-type]
    assert claim(claim_request(preset, world.person())) is None
    assert [event.kind for event in PrebuildEvent.objects.all()] == ["miss"]


@pytest.mark.django_db
def test_prebuilds_of_other_presets_versions_and_templates_are_not_taken() -> None:
    template = world.template()
    old = template.active_version
    assert old is not None
    preset, other = world.preset(old), world.preset(old, name="other")
    Prebuild(other, old).save()
    Prebuild(None, old).save()
    assert claim(claim_request(preset, world.person())) is None
    Prebuild(preset, old).save()
    world.promote(template, world.version(template, "v2"))
    assert claim(claim_request(preset, world.person())) is None
    world.promote(template, old)
    Template.objects.filter(pk=template.pk).update(deleted=True)
    assert claim(claim_request(preset, world.person())) is None


@pytest.mark.django_db
def test_invalidated_prebuilds_are_gone_and_newer_ones_are_not() -> None:
    template = world.template()
    preset = world.preset(template.active_version, last_invalidated_at=timezone.now() - timedelta(minutes=10))
    Prebuild(preset, template.active_version, age=timedelta(minutes=11)).save()
    assert claim(claim_request(preset, world.person())) is None
    fresh = Prebuild(preset, template.active_version, age=timedelta(minutes=9)).save()
    claimed = claim(claim_request(preset, world.person()))
    assert claimed is not None
    assert claimed.pk == fresh.pk


@pytest.mark.django_db
def test_the_oldest_is_used_before_it_expires() -> None:
    template = world.template()
    preset = world.preset(template.active_version)
    rows = [
        Prebuild(preset, template.active_version, age=timedelta(minutes=age)).save() for age in (5, 30, 10)
    ]
    taken = [claim(claim_request(preset, world.person())) for _ in range(4)]
    assert [row.pk if row else None for row in taken] == [rows[1].pk, rows[2].pk, rows[0].pk, None]


@pytest.mark.django_db
def test_a_preset_without_prebuilds_is_neither_claim_nor_miss() -> None:
    template = world.template()
    preset = world.preset(template.active_version, None)
    assert claim(claim_request(preset, world.person())) is None
    assert not PrebuildEvent.objects.exists()


@pytest.mark.django_db
def test_a_claim_is_two_statements_and_returns_what_is_stored(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    template = world.template()
    preset = world.preset(template.active_version)
    prebuild = Prebuild(preset, template.active_version).save()
    now = timezone.now()
    mine = claim_request(preset, world.person(), now=now, next_start_at=now, ttl_ms=1)
    with django_assert_num_queries(2):
        claimed = claim(mine)
    assert claimed is not None
    stored = Workspace.objects.get(pk=prebuild.pk)
    names = [field.attname for field in Workspace._meta.concrete_fields]
    assert [getattr(claimed, name) for name in names] == [getattr(stored, name) for name in names]
    claimed.name = "renamed"
    claimed.save()  # it is a stored row, not a new one
    assert Workspace.objects.get(pk=prebuild.pk).name == "renamed"
    other = claim_request(preset, world.person("ben"))
    with django_assert_num_queries(2):
        assert claim(other) is None


@pytest.mark.django_db
def test_a_claim_walks_the_pool_by_age_and_sorts_nothing() -> None:
    """A pool of any size costs what its first good prebuild does."""
    template = world.template()
    preset = world.preset(template.active_version)
    Prebuild(preset, template.active_version).save()
    Workspace.objects.bulk_create(
        Workspace(
            owner_id=PREBUILDS_USER_ID, organization_id=template.organization_id, template=template,
            name=f"prebuild-{number}",
        )
        for number in range(2000)
    )  # fmt: skip
    with connection.cursor() as cursor, CaptureQueriesContext(connection) as queries:
        cursor.execute("ANALYZE")
        assert claim(claim_request(preset, world.person())) is not None
        update = next(query["sql"] for query in queries if query["sql"].lstrip().startswith("UPDATE"))
        cursor.execute(f"EXPLAIN {'QUERY PLAN' if connection.vendor == 'sqlite' else ''} {update}")
        plan = "\n".join(str(row) for row in cursor.fetchall())
    assert "workspace_owner_live_by_age" in plan
    assert "Sort Key: w.created_at" not in plan
    assert "B-TREE FOR ORDER BY" not in plan


@pytest.mark.django_db(transaction=True)
def test_a_claim_wakes_the_loop_only_after_its_commit(
    recorded_events: list[tuple[str, dict[str, str]]],
) -> None:
    template = world.template()
    preset = world.preset(template.active_version)
    Prebuild(preset, template.active_version).save()
    with transaction.atomic():
        claim(claim_request(preset, world.person()))
        assert recorded_events == []
    assert ("prebuilds:wake", {"template_id": str(template.id)}) in recorded_events


@pytest.mark.django_db(transaction=True)
def test_concurrent_claimers_get_distinct_workspaces() -> None:
    """40 prebuilds, 64 claimers in 16 threads, each in its own transaction: 40 distinct claims, 24 misses."""
    template = world.template()
    preset = world.preset(template.active_version, 40)
    pooled = {Prebuild(preset, template.active_version).save().pk for _ in range(40)}
    people = [world.person(f"user{number}") for number in range(64)]
    claimed: list[object] = []
    errors: list[Exception] = []
    barrier = threading.Barrier(16)

    def work(mine: list[object]) -> None:
        try:
            barrier.wait(30)
            for user in mine:
                with transaction.atomic():
                    workspace = claim(claim_request(preset, user))  # type: ignore[arg-type]
                claimed.append(workspace.pk if workspace else None)
        except Exception as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(people[n::16],)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert set(claimed) - {None} == pooled
    assert (len(claimed), claimed.count(None)) == (64, 24)
    owners = Workspace.objects.filter(pk__in=pooled).values_list("owner", flat=True)
    assert len(set(owners)) == 40
    assert PREBUILDS_USER_ID not in owners
    assert PrebuildEvent.objects.filter(kind="claim").count() == 40
    assert PrebuildEvent.objects.filter(kind="miss").count() == 24


@pytest.mark.django_db(transaction=True)
def test_a_claimer_skips_what_another_open_transaction_holds() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time; there is no row to skip")
    template = world.template()
    preset = world.preset(template.active_version)
    older = Prebuild(preset, template.active_version, age=timedelta(hours=1)).save()
    newer = Prebuild(preset, template.active_version).save()
    ann, ben = world.person("ann"), world.person("ben")
    taken: list[object] = []

    def second() -> None:
        with transaction.atomic():
            workspace = claim(claim_request(preset, ben))
            taken.append(workspace.pk if workspace else None)
        connections.close_all()

    with transaction.atomic():
        first = claim(claim_request(preset, ann))
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(10)
        assert not thread.is_alive(), "the second claimer waited for the first one's commit"
    assert first is not None
    assert (first.pk, taken) == (older.pk, [newer.pk])
