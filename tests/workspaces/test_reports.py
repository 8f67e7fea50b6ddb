"""The weekly report of failed builds (notifications reference 1.2)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from coder_admin.catalog.models import Template
from coder_admin.foundation.markdown import to_html, to_text
from coder_admin.notifications.dispatcher import Notifier
from coder_admin.notifications.models import InboxNotification, NotificationMessage, NotificationReportLog
from coder_admin.notifications.rendering import render
from coder_admin.notifications.reports import make_when_due, period_due
from coder_admin.notifications.selectors import InboxFilter, inbox
from coder_admin.organizations.models import Organization
from coder_admin.workspaces.models import Workspace
from coder_admin.workspaces.reports import BUILDS_FAILED, PERIOD, send
from tests.people import default_organization, organization, subject
from tests.people import person as member_of
from tests.prebuilds import world

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 8, 12, tzinfo=UTC)


def builds(
    name: str,
    failed: int,
    succeeded: int,
    *,
    age: timedelta = timedelta(days=1),
    where: Organization | None = None,
) -> None:
    """A template `name` with a workspace of `ann` that had these builds."""
    template = Template.objects.filter(name=name).first() or world.template(name, display_name="")
    if where is not None:
        template.organization = where
        template.save()
    assert template.active_version is not None
    ann = world.person("ann")
    row = Workspace.objects.filter(template=template).first() or Workspace.objects.create(
        owner=ann, organization=template.organization, template=template, name=f"{name}-ws"
    )
    for number in range(failed + succeeded):
        status = "failed" if number < failed else "succeeded"
        world.add_build(row, template.active_version, status=status, at=NOW - age, initiator=ann.id)


def reported() -> dict[str, dict[str, Any]]:
    rows = NotificationMessage.objects.filter(notification_template_id=BUILDS_FAILED.id, method="inbox")
    return {row.user.username: row.payload["data"] for row in rows.select_related("user")}


def test_one_message_for_each_admin_with_all_templates() -> None:
    member_of("zoe", roles=["template-admin"])
    member_of("away", roles=["template-admin"], memberships={organization("elsewhere"): []})
    builds("web", failed=12, succeeded=3)
    builds("go", failed=1, succeeded=0)
    builds("fine", failed=0, succeeded=4)
    builds("old", failed=2, succeeded=0, age=timedelta(days=9))
    send(NOW - PERIOD, NOW)
    assert set(reported()) == {"zoe"}
    data = reported()["zoe"]
    assert data["report_frequency"] == "week"
    web, go = data["templates"]
    assert (web["name"], web["display_name"]) == ("web", "")
    assert (web["failed_builds"], web["total_builds"]) == (12, 15)
    assert [version["template_version_name"] for version in web["versions"]] == ["v1"]
    assert web["versions"][0]["failed_count"] == 12
    assert len(web["versions"][0]["failed_builds"]) == 10
    assert set(web["versions"][0]["failed_builds"][0]) == {
        "workspace_owner_username",
        "workspace_name",
        "workspace_id",
        "build_number",
    }
    assert (go["failed_builds"], go["total_builds"]) == (1, 1)
    payload = NotificationMessage.objects.filter(method="inbox")[0].payload
    text = render(BUILDS_FAILED, payload)
    assert text.title == "Failed workspace builds report"
    assert "web: 12 of 15 builds" in to_text(text.body)
    assert "/@ann/web-ws/builds/12" in to_html(text.body)


def test_an_admin_hears_of_the_organizations_they_belong_to() -> None:
    here, there = default_organization(), organization("elsewhere")
    for name, of in (("zoe", [here]), ("away", [there]), ("all", [here, there]), ("none", [])):
        member_of(name, roles=["template-admin"], memberships={one: [] for one in of})
    member_of("boss", roles=["owner"])
    builds("web", failed=2, succeeded=0)
    builds("go", failed=1, succeeded=0)
    builds("far", failed=3, succeeded=1, where=there)
    send(NOW - PERIOD, NOW)
    told = {name: [template["name"] for template in data["templates"]] for name, data in reported().items()}
    assert told == {"zoe": ["web", "go"], "away": ["far"], "all": ["far", "web", "go"]}
    rows = NotificationMessage.objects.filter(notification_template_id=BUILDS_FAILED.id, method="inbox")
    places = {row.user.username: set(row.targets) & {str(here.pk), str(there.pk)} for row in rows}
    assert places == {"zoe": {str(here.pk)}, "away": {str(there.pk)}, "all": {str(here.pk), str(there.pk)}}
    far = str(Template.objects.get(name="far").pk)
    assert {row.user.username for row in rows if far in row.targets} == {"away", "all"}


def test_a_report_is_found_by_each_of_its_templates() -> None:
    zoe = member_of("zoe", roles=["template-admin"])
    builds("web", failed=1, succeeded=0)
    builds("fine", failed=0, succeeded=1)
    send(NOW - PERIOD, NOW)
    Notifier().deliver_batch()

    def found(name: str) -> int:
        template = Template.objects.get(name=name)
        return inbox(viewer=subject(zoe), wanted=InboxFilter(targets=(template.pk,))).count()

    assert (found("web"), found("fine")) == (1, 0)
    row = InboxNotification.objects.get()
    web = Template.objects.get(name="web")
    assert row.targets == [str(web.organization_id), str(web.pk)]


def test_nothing_failed_is_no_report() -> None:
    member_of("zoe", roles=["template-admin"])
    builds("fine", failed=0, succeeded=2)
    send(NOW - PERIOD, NOW)
    assert not reported()


def test_statements_do_not_grow_with_templates() -> None:
    member_of("zoe", roles=["template-admin"])
    builds("one", failed=1, succeeded=1)
    with CaptureQueriesContext(connection) as few:
        send(NOW - PERIOD, NOW)
    for number in range(5):
        builds(f"t{number}", failed=2, succeeded=1)
    NotificationMessage.objects.all().delete()
    with CaptureQueriesContext(connection) as many:
        send(NOW - PERIOD, NOW)
    assert len(many) == len(few)


def test_the_first_run_stores_the_time_and_the_next_waits_a_week() -> None:
    member_of("zoe", roles=["template-admin"])
    builds("web", failed=1, succeeded=0)
    start = NOW - PERIOD
    assert not make_when_due(BUILDS_FAILED.id, PERIOD, start, send)
    assert not make_when_due(BUILDS_FAILED.id, PERIOD, NOW - timedelta(minutes=15), send)
    assert not reported()
    assert make_when_due(BUILDS_FAILED.id, PERIOD, NOW, send)
    assert set(reported()) == {"zoe"}
    assert not make_when_due(BUILDS_FAILED.id, PERIOD, NOW + timedelta(minutes=15), send)
    assert NotificationReportLog.objects.get(pk=BUILDS_FAILED.id).last_generated_at == NOW


WEEK, MINUTE = timedelta(days=7), timedelta(minutes=1)


@pytest.mark.parametrize(
    ("passed", "covered"),
    [
        (WEEK - MINUTE, None),
        (WEEK, (WEEK, timedelta(0))),
        # A look comes when it comes: the weeks follow each other all the same, nothing falls between them.
        (WEEK + 20 * MINUTE, (WEEK + 20 * MINUTE, 20 * MINUTE)),
        (WEEK + 60 * MINUTE, (WEEK, timedelta(0))),
        # Nobody looked for long: the last week, and what lies before it is missed.
        (timedelta(days=10), (WEEK, timedelta(0))),
        (timedelta(days=400), (WEEK, timedelta(0))),
    ],
    ids=["not yet", "due", "a late look", "an hour late", "an outage", "a long outage"],
)
def test_a_report_covers_exactly_one_period(
    passed: timedelta, covered: tuple[timedelta, timedelta] | None
) -> None:
    found = period_due(NOW - passed, PERIOD, NOW)
    assert found == (None if covered is None else (NOW - covered[0], NOW - covered[1]))


def test_after_an_outage_a_report_covers_the_last_week() -> None:
    member_of("zoe", roles=["template-admin"])
    builds("before", failed=4, succeeded=0, age=timedelta(days=9))
    builds("web", failed=1, succeeded=0, age=timedelta(days=6))
    assert not make_when_due(BUILDS_FAILED.id, PERIOD, NOW - timedelta(days=10), send)
    assert make_when_due(BUILDS_FAILED.id, PERIOD, NOW, send)
    assert [template["name"] for template in reported()["zoe"]["templates"]] == ["web"]


def test_no_failure_falls_between_two_reports() -> None:
    """Each look is a few minutes late; every build is in one report."""
    member_of("zoe", roles=["template-admin"])
    ages = (timedelta(days=7, minutes=5), timedelta(minutes=5), timedelta(days=2))
    for number, age in enumerate(ages):
        builds(f"t{number}", failed=1, succeeded=0, age=age)
    make_when_due(BUILDS_FAILED.id, PERIOD, NOW - WEEK - 10 * MINUTE, send)
    told = []
    for now in (NOW, NOW + WEEK + 3 * MINUTE):
        assert make_when_due(BUILDS_FAILED.id, PERIOD, now, send)
        told += [template["name"] for template in reported()["zoe"]["templates"]]
        NotificationMessage.objects.all().delete()
    assert sorted(told[:2]) == ["t0", "t2"]
    assert told[2:] == ["t1"]


def test_builds_of_the_pools_count_like_any_other() -> None:
    member_of("zoe", roles=["template-admin"])
    builds("web", failed=1, succeeded=1)
    web = Template.objects.get(name="web")
    preset = world.preset(web.active_version)
    for status in ("failed", "failed", "succeeded"):
        world.Prebuild(preset, web.active_version, status).save(NOW)
    send(NOW - PERIOD, NOW)
    (found,) = reported()["zoe"]["templates"]
    assert (found["failed_builds"], found["total_builds"]) == (3, 5)
    (version,) = found["versions"]
    assert [one["workspace_owner_username"] for one in version["failed_builds"]].count("prebuilds") == 2


def test_a_report_that_fails_is_made_again() -> None:
    make_when_due(BUILDS_FAILED.id, PERIOD, NOW - PERIOD, send)

    def broken(since: datetime, until: datetime) -> None:
        raise RuntimeError("away")

    with pytest.raises(RuntimeError):
        make_when_due(BUILDS_FAILED.id, PERIOD, NOW, broken)
    assert NotificationReportLog.objects.get(pk=BUILDS_FAILED.id).last_generated_at == NOW - PERIOD
