"""A pass of the reconciler that finds nothing to do, over many pools, against its own SQL run bare."""

from __future__ import annotations

import gc
import os
import resource
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from .figure import Figure

TEMPLATES, PRESETS = 1_000, 3
SMALL, MIDDLE, LARGE = 1_000, 10_000, 20_000
NOISE = 1.25  # allowance for the difference of two measured times
ROUNDS = 7


def measure() -> list[Figure]:
    """Seconds of a pass with 20,000 prebuilds, against its goal and against its statements alone; what each
    prebuild beyond 10,000 takes, against each before."""
    with database():
        from prebuilds.passes import Memory, reconcile_once

        # As the loop does it: what is the same as at the last look is not written again. And as `up` does it:
        # what lives as long as the process is nothing to collect.
        one_pass = partial(reconcile_once, memory=Memory())
        presets = make_pools(SMALL)
        one_pass()
        gc.freeze()
        small = best(one_pass)
        add_prebuilds(presets, SMALL, MIDDLE)
        one_pass()
        middle = best(one_pass)
        add_prebuilds(presets, MIDDLE, LARGE)
        one_pass()
        large = best(one_pass)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        statements = captured(one_pass)
        bare = best(bare_run(statements))
    return [
        Figure(f"no-op pass, {TEMPLATES * PRESETS} presets, {LARGE} prebuilds", large, bare * 1.5, "s"),
        Figure("the same", large, 1.0, "s"),
        Figure(
            f"each prebuild beyond {MIDDLE}, against each before",
            1e6 * (large - middle) / (LARGE - MIDDLE),
            1e6 * (middle - small) / (MIDDLE - SMALL) * NOISE,
            "µs",
        ),
        Figure("memory of the process after it", memory, 300, "MiB"),
    ]


@contextmanager
def database() -> Iterator[None]:
    """An empty database of the configured kind, dropped at the end."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    from django.test.runner import DiscoverRunner

    runner = DiscoverRunner(verbosity=0, interactive=False)
    created = runner.setup_databases()
    try:
        yield
    finally:
        runner.teardown_databases(created)


def best(work: Callable[[], object]) -> float:
    """The shortest of a few rounds, in seconds."""
    found = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        work()
        found.append(time.perf_counter() - begun)
    return min(found)


def captured(work: Callable[[], object]) -> list[str]:
    """The SELECTs that `work` runs."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as queries:
        work()
    return [
        query["sql"] for query in queries if query["sql"].startswith("SELECT") and "pg_" not in query["sql"]
    ]


def bare_run(statements: list[str]) -> Callable[[], None]:
    """The statements and nothing else, all rows fetched by the driver with its own, fast types."""
    from django.db import connection

    if connection.vendor == "postgresql":
        raw = bare_connection(autocommit=True)
    else:
        connection.ensure_connection()
        raw = connection.connection

    def run() -> None:
        cursor = raw.cursor()
        for statement in statements:
            cursor.execute(statement)
            cursor.fetchall()
        cursor.close()

    return run


def bare_connection(**options: Any) -> Any:
    """A connection to the same PostgreSQL database that Django did not set up."""
    import psycopg
    from django.db import connection

    wanted = ("host", "port", "dbname", "user", "password")
    address = {key: value for key, value in connection.get_connection_params().items() if key in wanted}
    raw: Any = psycopg.connect(**address, **options)
    raw.execute("SET jit = off")  # as in our own transaction
    return raw


def make_pools(prebuilds: int, *, templates: int = TEMPLATES) -> list[tuple[uuid.UUID, uuid.UUID, uuid.UUID]]:
    """Templates with presets whose pools are full; (template, version, preset) of each pool."""
    from django.utils import timezone

    from coder_admin.catalog.models import Template, TemplateVersion, TemplateVersionPreset
    from coder_admin.provisioning.models import ProvisionerJob
    from tests.prebuilds import world

    organization, author = world.organization(), world.person("author")
    now, count = timezone.now(), templates
    jobs = [
        ProvisionerJob(
            initiator=author, organization=organization, type="template_version_import",
            started_at=now, completed_at=now,
        )
        for _ in range(count)
    ]  # fmt: skip
    ProvisionerJob.objects.bulk_create(jobs, batch_size=1000)
    rows = [Template(organization=organization, name=f"t{n}", created_by=author) for n in range(count)]
    Template.objects.bulk_create(rows, batch_size=1000)
    versions = [
        TemplateVersion(template=row, organization=organization, name="v1", job=job, created_by=author)
        for row, job in zip(rows, jobs, strict=True)
    ]
    TemplateVersion.objects.bulk_create(versions, batch_size=1000)
    for template, version in zip(rows, versions, strict=True):
        template.active_version = version
    Template.objects.bulk_update(rows, ["active_version"], batch_size=500)
    presets = [
        TemplateVersionPreset(template_version=version, name=f"p{n}", desired_instances=0)
        for version in versions
        for n in range(PRESETS)
    ]
    TemplateVersionPreset.objects.bulk_create(presets, batch_size=1000)
    pools = [
        (template.id, version.id, preset.id)
        for template, version, group in zip(
            rows, versions, zip(*[iter(presets)] * PRESETS, strict=True), strict=True
        )
        for preset in group
    ]
    add_prebuilds(pools, 0, prebuilds)
    return pools


def add_prebuilds(pools: list[tuple[uuid.UUID, uuid.UUID, uuid.UUID]], begin: int, end: int) -> None:
    """Running, ready prebuilds spread over the pools, whose sizes follow; then the planner's statistics."""
    from django.db import connection
    from django.db.models import Count
    from django.utils import timezone

    from coder_admin.catalog.models import TemplateVersionPreset
    from coder_admin.organizations.models import PREBUILDS_USER_ID
    from coder_admin.provisioning.models import ProvisionerJob
    from coder_admin.workspaces.models import Workspace, WorkspaceAgent, WorkspaceBuild, WorkspaceResource
    from tests.prebuilds import world

    organization, now = world.organization(), timezone.now()
    wanted = [pools[number % len(pools)] for number in range(begin, end)]
    jobs = [
        ProvisionerJob(
            initiator_id=PREBUILDS_USER_ID, organization=organization, type="workspace_build",
            started_at=now, completed_at=now,
        )
        for _ in wanted
    ]  # fmt: skip
    workspaces = [
        Workspace(
            owner_id=PREBUILDS_USER_ID, organization=organization, template_id=pool[0],
            name=f"prebuild-{uuid.uuid4().hex[:15]}",
        )
        for pool in wanted
    ]  # fmt: skip
    builds = [
        WorkspaceBuild(
            workspace=row, template_version_id=pool[1], template_version_preset_id=pool[2],
            build_number=1, transition="start", initiator_id=PREBUILDS_USER_ID, job=job,
        )
        for row, pool, job in zip(workspaces, wanted, jobs, strict=True)
    ]  # fmt: skip
    resources = [
        WorkspaceResource(
            workspace_build=build, transition="start", address="a", type="null_resource", name="a"
        )
        for build in builds
    ]
    agents = [
        WorkspaceAgent(resource=row, name="main", auth_token=uuid.uuid4(), lifecycle_state="ready")
        for row in resources
    ]
    ProvisionerJob.objects.bulk_create(jobs, batch_size=1000)
    Workspace.objects.bulk_create(workspaces, batch_size=1000)
    WorkspaceBuild.objects.bulk_create(builds, batch_size=1000)
    WorkspaceResource.objects.bulk_create(resources, batch_size=1000)
    WorkspaceAgent.objects.bulk_create(agents, batch_size=1000)
    for row, build in zip(workspaces, builds, strict=True):
        row.latest_build = build
    Workspace.objects.bulk_update(workspaces, ["latest_build"], batch_size=500)
    counts = WorkspaceBuild.objects.order_by().values_list("template_version_preset").annotate(Count("id"))
    presets = [TemplateVersionPreset(id=preset_id, desired_instances=count) for preset_id, count in counts]
    TemplateVersionPreset.objects.bulk_update(presets, ["desired_instances"], batch_size=500)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
