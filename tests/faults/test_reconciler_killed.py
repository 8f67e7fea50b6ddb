"""The reconciler killed with SIGKILL between any two statements of a pass: the next pass converges."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any, NoReturn

import pytest
from channels.layers import channel_layers
from django.db import connection, connections
from django.utils import timezone

from coder_admin.catalog.models import Template, TemplateVersionPreset
from coder_admin.foundation.models import Lease
from coder_admin.notifications.models import NotificationIncident, NotificationMessage
from coder_admin.organizations.models import PREBUILDS_USER_ID, Group, GroupMember, OrganizationMember
from coder_admin.provisioning.models import ProvisionerJob
from coder_admin.workspaces.models import Workspace, WorkspaceBuild
from prebuilds.loader import Scope
from prebuilds.models import PrebuildEvent
from prebuilds.passes import Stats, reconcile_once
from prebuilds.snapshot import Config
from tests.prebuilds import world
from tests.prebuilds.world import Prebuild

pytestmark = pytest.mark.django_db(transaction=True)

SIZE = 3
# Spans that outlast the test on a slow machine.
CONFIG = Config(
    backoff_interval=timedelta(minutes=30),
    failed_retention=timedelta(hours=8),
    not_ready_limit=timedelta(minutes=15),
)
DONE, FAILED, NOT_LED = 0, 1, 2


def busy_template(name: str) -> Template:
    """A template whose pool has all to be done: cancel, orphan, delete what is outdated, expired or never
    ready, create."""
    row = world.template(name)
    old = row.active_version
    outdated = world.preset(old, 1)
    Prebuild(outdated, old).save()
    Prebuild(outdated, old, status="pending", agents=()).save()
    preset = world.preset(world.promote(row, world.version(row, "v2")), SIZE, invalidate_after_secs=3600)
    Prebuild(preset, preset.template_version, age=timedelta(hours=2)).save()
    Prebuild(preset, preset.template_version, agents=["start_error"], age=timedelta(minutes=20)).save()
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


def failing_template(name: str) -> Template:
    """A template whose presets fail in every way: what a pass stores and tells of failures, it does here."""
    row = world.template(name)
    old = world.preset(row.active_version, 1)
    Prebuild(old, row.active_version, "failed", age=timedelta(hours=9)).save()  # evidence, kept long enough
    version = world.promote(row, world.version(row, "v2"))
    version.parameters.create(name="size", type="number", default_value="1", validation_max=9)
    for preset in ("limited", "relapsed"):
        world.preset(version, 1, name=preset)
    world.preset(version, 1, name="recovered")
    world.preset(version, 1, name="resting", invalidate_after_secs=60)
    world.preset(version, 2, name="refused").parameters.create(name="size", value="10")
    presets = {preset.name: preset for preset in version.presets.all()}
    for preset in ("limited", "relapsed"):
        for hours in (2, 3, 4):
            Prebuild(presets[preset], version, "failed", age=timedelta(hours=hours)).save()
    for preset, kind in (("relapsed", "recovered"), ("recovered", "hard_limited")):
        version.presets.filter(name=preset).update(prebuild_status="hard_limited")
        PrebuildEvent.objects.create(
            created_at=timezone.now() - timedelta(hours=1),
            kind=kind,
            organization=row.organization,
            template=row,
            preset=presets[preset],
            preset_name=preset,
        )
    Prebuild(presets["resting"], version, "failed", age=timedelta(seconds=10)).save()
    Prebuild(presets["resting"], version, age=timedelta(minutes=5)).save()
    return row


def deleted_template(name: str) -> Template:
    """A template that is gone, with something of every kind left of its pool."""
    row = world.template(name)
    preset = world.preset(row.active_version, 4)
    for status in ("succeeded", "failed", "pending"):
        Prebuild(preset, row.active_version, status).save()
    parked = Prebuild(preset, row.active_version).save()
    world.add_build(parked, row.active_version, transition="stop")
    Template.objects.filter(pk=row.pk).update(deleted=True)
    return row


def builds_of(template: Template) -> Counter[tuple[str, str, str, bool]]:
    rows = Workspace.objects.filter(template=template, owner=PREBUILDS_USER_ID)
    fields = ("transition", "job__job_status", "template_version__name")
    return Counter(rows.values_list(*(f"latest_build__{field}" for field in fields), "deleted"))


def told_of(template: Template) -> Counter[tuple[str, ...]]:
    """Events, messages and what is held back of them, and the stored conditions, each with its preset."""
    events = PrebuildEvent.objects.filter(template=template).values_list("preset_name", "kind")
    messages = NotificationMessage.objects.filter(payload__labels__template=template.name)
    held = NotificationIncident.objects.filter(labels__template=template.name)
    presets = TemplateVersionPreset.objects.filter(template_version__template=template)
    return Counter(
        [
            *events,
            *(
                (message.payload["labels"]["preset"], message.method, message.user.username)
                for message in messages.select_related("user")
            ),
            *((item.labels["preset"], "held", *item.recipients) for item in held),
            *(
                (f"{name} {version}", status)
                for version, name, status in presets.values_list(
                    "template_version__name", "name", "prebuild_status"
                )
            ),
        ]
    )


def killed_everywhere(make: Callable[[str], Template]) -> list[Template]:
    """A template for each point at which its first pass can be killed, and one that was never killed; each
    has had another pass since. The first is the unharmed one."""
    templates: list[Template] = []
    killed = True
    while killed:
        number = len(templates) + 1
        assert number < 400, "the pass does not end"
        template = make(f"t{number}")
        templates.append(template)
        scope = Scope(frozenset({template.id}))
        killed = killed_at(number, partial(reconcile_once, scope=scope, config=CONFIG))
        let_the_lease_run_out()
        assert_nothing_is_half_done()
    stats = reconcile_once(config=CONFIG)
    assert [error for error in stats.errors if not error.startswith("refused: create: ")] == []
    assert reconcile_once(config=CONFIG).created == 0
    assert_nothing_is_half_done()
    return templates[::-1]


def test_a_pass_killed_anywhere_is_made_good_by_the_next() -> None:
    templates = killed_everywhere(busy_template)
    assert len(templates) > 30
    for template in templates:
        assert builds_of(template) == {
            ("delete", "pending", "v1", False): 1,
            ("delete", "succeeded", "v1", True): 1,  # never provisioned: an orphan, deleted without a worker
            ("delete", "pending", "v2", False): 2,  # expired, and never ready
            ("start", "pending", "v2", False): 3,
        }
    prebuilds = {"user": PREBUILDS_USER_ID}
    organization = world.organization()
    group = Group.objects.get(organization=organization, name="coderprebuiltworkspaces")
    assert OrganizationMember.objects.filter(organization=organization, **prebuilds).count() == 1
    assert GroupMember.objects.filter(group=group, **prebuilds).count() == 1
    assert group.auth_group.user_set.filter(id=PREBUILDS_USER_ID).count() == 1


def test_a_pass_over_failures_killed_anywhere_stores_and_tells_each_once() -> None:
    world.person("admin", ["template-admin"])
    unharmed, *templates = killed_everywhere(failing_template)
    assert len(templates) > 20
    told = told_of(unharmed)
    for preset, kind in (
        ("limited", "hard_limited"),
        ("relapsed", "hard_limited"),
        ("recovered", "recovered"),
    ):
        assert told[preset, kind] == 1
    assert told["limited", "inbox", "author"] == 1
    assert told["refused v2", "validation_failed"] == 1
    assert builds_of(unharmed) == {
        ("delete", "pending", "v1", False): 1,  # evidence
        ("start", "failed", "v2", False): 7,
        ("start", "succeeded", "v2", False): 1,  # expired, but its preset rests
        ("start", "pending", "v2", False): 1,
    }
    for template in templates:
        assert (template.name, told_of(template)) == (template.name, told)
        assert builds_of(template) == builds_of(unharmed)


def test_a_pass_over_a_deleted_template_killed_anywhere_leaves_nothing_behind() -> None:
    templates = killed_everywhere(deleted_template)
    assert len(templates) > 10
    for template in templates:
        assert builds_of(template) == {
            ("delete", "pending", "v1", False): 3,
            ("delete", "succeeded", "v1", True): 1,
        }
