"""Presets at the failure limit, from the pass that finds them to the digest a day later."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from coder_admin.catalog.models import TemplateVersion
from coder_admin.notifications import digests
from coder_admin.notifications.chores import Round
from coder_admin.notifications.dispatcher import Notifier
from coder_admin.notifications.models import InboxNotification, NotificationIncident
from coder_admin.organizations.models import User
from prebuilds.notices import FAILURE_LIMIT_REACHED
from prebuilds.passes import reconcile_once
from prebuilds.services import preset_reset
from rbac import Subject
from tests.prebuilds import world
from tests.prebuilds.world import Prebuild

pytestmark = pytest.mark.django_db

ALONE = "There is a problem creating prebuilt workspaces"


def fails(version: TemplateVersion, name: str, now: datetime) -> None:
    """A new preset of which all prebuilds failed, and the pass that finds it at the limit."""
    preset = world.preset(version, 1, name)
    for minute in range(3):
        Prebuild(preset, version, "failed", age=timedelta(minutes=minute)).save(now)
    assert reconcile_once(now).errors == []
    preset.refresh_from_db()
    assert preset.prebuild_status == "hard_limited"


def inbox() -> dict[str, list[str]]:
    """Titles by reader, oldest first."""
    Notifier().deliver_batch()
    found: dict[str, list[str]] = {}
    for row in InboxNotification.objects.filter(template_id=FAILURE_LIMIT_REACHED.id).order_by("created_at"):
        found.setdefault(row.user.username, []).append(row.title)
    return found


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["a", "b"], ALONE),
        (["a", "b", "c"], "There are 2 more problems creating prebuilt workspaces"),
    ],
    ids=["two presets", "three presets"],
)
def test_a_template_that_breaks_is_told_at_once_and_the_rest_once_a_day(names: list[str], told: str) -> None:
    """The author is a template admin too, and hears of everything once all the same."""
    world.person("admin", ["template-admin"])
    world.person("author", ["template-admin"])
    version = world.template().active_version
    assert version is not None
    now = timezone.now()
    for hours, name in enumerate(names):
        fails(version, name, now - timedelta(hours=25 - hours))
    assert digests.tell_due(now - timedelta(hours=2)) == 0, "the day has not passed"
    assert inbox() == {"admin": [ALONE], "author": [ALONE]}
    for _ in range(2):
        Round().run_due()
        assert inbox() == {"admin": [ALONE, told], "author": [ALONE, told]}
    assert not NotificationIncident.objects.exists()


def test_a_second_incident_of_a_day_is_told_with_the_digest(actor: Subject) -> None:
    """A reset says that the cause is gone: when the limit is reached once more, that is news."""
    world.person("admin", ["template-admin"])
    version = world.template().active_version
    assert version is not None
    now = timezone.now()
    fails(version, "a", now - timedelta(minutes=9))
    preset = version.presets.get()
    preset_reset(actor=actor, preset=preset, now=now - timedelta(minutes=5))
    for _ in range(3):
        Prebuild(preset, version, "failed", age=timedelta(minutes=1)).save(now)
    reconcile_once(now)
    assert inbox() == {"admin": [ALONE], "author": [ALONE]}
    digests.tell_due(now + timedelta(days=1))
    assert inbox() == {"admin": [ALONE] * 2, "author": [ALONE] * 2}


def test_the_author_hears_of_each_version_at_once_and_never_as_an_administrator_too() -> None:
    world.person("admin", ["template-admin"])
    world.person("author", ["template-admin"])
    template = world.template()
    now = timezone.now()
    assert template.active_version is not None
    fails(template.active_version, "a", now - timedelta(hours=27))
    fails(template.active_version, "b", now - timedelta(hours=26))
    fails(world.promote(template, world.version(template, "v2")), "c", now - timedelta(hours=25))
    assert inbox() == {"admin": [ALONE], "author": [ALONE, ALONE]}
    Round().run_due()
    more = "There are 2 more problems creating prebuilt workspaces"
    assert inbox() == {"admin": [ALONE, more], "author": [ALONE, ALONE, ALONE]}, "two of v1, one of v2"


def test_a_day_later_administrators_who_are_none_any_more_hear_nothing_and_the_author_still_does() -> None:
    for name in ("admin", "former", "author"):
        world.person(name, ["template-admin"])
    version = world.template().active_version
    assert version is not None
    now = timezone.now()
    for hours, name in enumerate(("a", "b", "c")):
        fails(version, name, now - timedelta(hours=25 - hours))
    User.objects.filter(username__in=("former", "author")).update(rbac_roles=[])
    Round().run_due()
    more = "There are 2 more problems creating prebuilt workspaces"
    assert inbox() == {"admin": [ALONE, more], "former": [ALONE], "author": [ALONE, more]}
