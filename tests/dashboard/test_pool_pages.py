"""The pages of pools: what is shown of one, and the commands on it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from coder_admin.audit.models import AuditLog
from coder_admin.catalog.models import TemplateVersionPreset
from coder_admin.organizations.models import User
from coder_admin.workspaces.models import Workspace
from tests.prebuilds import world as pools

from .world import World

ClientOf = Callable[[User], Client]


def preset_named(name: str) -> TemplateVersionPreset:
    return TemplateVersionPreset.objects.get(name=name)


def address(preset: TemplateVersionPreset, view: str = "preset") -> str:
    template = preset.template_version.template
    assert template is not None
    return reverse(f"dashboard:{view}", args=(template.organization.name, template.name, preset.pk))


def test_a_pool_is_drawn_over_time_with_a_table_of_the_same(here: World, client_of: ClientOf) -> None:
    url = address(preset_named("Large"))
    shown = client_of(here.owner).get(url).content.decode()
    assert shown.count('class="timeline-layer') == 4
    assert shown.count('class="timeline-claim"') == 2
    assert shown.count('class="timeline-miss"') == 1
    assert "Claimed at" in shown
    assert "waited 1.3 s" in shown
    columns, rows = shown.count('href="#slot-'), shown.count('<tr id="slot-')
    assert columns == rows >= 24
    week = client_of(here.owner).get(url, {"hours": "168", "part": "timeline"}).content.decode()
    assert 28 <= week.count('<tr id="slot-') <= 29
    assert "<html" not in week
    assert client_of(here.owner).get(url, {"hours": "9999"}).status_code == 404


def test_cards_have_the_line_of_the_day(here: World, client_of: ClientOf) -> None:
    for url in (reverse("dashboard:overview"), reverse("dashboard:template", args=here_place(here))):
        shown = client_of(here.owner).get(url).content.decode()
        assert 'class="spark"' in shown
        assert "In the last 24 hours 0 to 5 ready, 4 to 6 wanted" in shown


def here_place(here: World) -> tuple[str, str]:
    template = preset_named("Large").template_version.template
    assert template is not None
    return template.organization.name, template.name


def test_failures_are_counted_by_version(here: World, client_of: ClientOf) -> None:
    shown = client_of(here.owner).get(address(preset_named("Small"))).content.decode()
    assert "By version" in shown
    assert '<td data-label="Created" class="cell-num">3</td>' in shown
    assert '<td data-label="Failed" class="cell-num">3</td>' in shown


def test_the_stored_status_is_shown_beside_the_condition(here: World, client_of: ClientOf) -> None:
    small = preset_named("Small")
    shown = client_of(here.owner).get(address(small)).content.decode()
    assert "Condition now" in shown
    assert "It stays until a reset" not in shown
    Workspace.objects.filter(latest_build__template_version_preset=small).update(deleted=True)
    shown = client_of(here.owner).get(address(small)).content.decode()
    assert "It stays until a reset" in shown
    assert "Reset and retry" in shown
    assert "Condition now" not in client_of(here.owner).get(address(preset_named("Calm"))).content.decode()


def test_schedules_that_cannot_be_used_are_told_on_the_page(here: World, client_of: ClientOf) -> None:
    large = preset_named("Large")
    large.schedules.create(cron_expression="* 9 * * 1", desired_instances=3, position=1)
    large.schedules.create(cron_expression="30 9 * * *", desired_instances=3, position=2)
    shown = client_of(here.owner).get(address(large)).content.decode()
    assert "The schedules cannot be used, so the base size 4 applies" in shown
    assert "30 9 * * *" in shown
    assert "overlap" in shown
    assert "Desired size over the week" not in shown


def test_values_that_no_template_may_set_are_told_on_the_page(here: World, client_of: ClientOf) -> None:
    large = preset_named("Large")
    assert "no template may set" not in client_of(here.owner).get(address(large)).content.decode()
    TemplateVersionPreset.objects.filter(pk=large.pk).update(invalidate_after_secs=59)
    shown = client_of(here.owner).get(address(large)).content.decode()
    assert "Stored values that no template may set" in shown
    assert "The time to live is 59 seconds" in shown


def test_the_next_changes_of_a_scheduled_pool_are_named(here: World, client_of: ClientOf) -> None:
    shown = client_of(here.owner).get(address(preset_named("Large"))).content.decode()
    assert "Desired size over the week" in shown
    assert "Next changes:" in shown


def test_one_prebuild_is_built_by_a_button(here: World, client_of: ClientOf) -> None:
    small = preset_named("Small")
    answer = client_of(here.owner).post(address(small, "preset-build"), follow=True)
    text = answer.content.decode()
    build = Workspace.objects.order_by("-created_at")[0]
    assert f"A prebuild of Small is on the way: {build.name}." in text
    assert "wants none now" not in text
    assert AuditLog.objects.filter(additional_fields__operation="build one prebuild").count() == 1


def test_one_prebuild_for_a_pool_of_size_0_is_said_to_be_deleted(here: World, client_of: ClientOf) -> None:
    small = preset_named("Small")
    TemplateVersionPreset.objects.filter(pk=small.pk).update(desired_instances=0)
    answer = client_of(here.owner).post(address(small, "preset-build"), follow=True)
    assert "The pool wants none now, so it is deleted once it runs" in answer.content.decode()


def test_one_preset_is_invalidated_and_others_are_not(here: World, client_of: ClientOf) -> None:
    answer = client_of(here.owner).post(address(preset_named("Calm"), "preset-invalidate"), follow=True)
    assert "The prebuilds of Calm are invalidated." in answer.content.decode()
    assert preset_named("Calm").last_invalidated_at is not None
    assert preset_named("Large").last_invalidated_at is None


@pytest.mark.parametrize("view", ["preset-build", "preset-invalidate", "preset-reset"])
def test_commands_need_the_right_to_update(here: World, client_of: ClientOf, view: str) -> None:
    url = address(preset_named("Small"), view)
    before = Workspace.objects.count()
    assert client_of(here.member).post(url).status_code == 404
    assert client_of(here.stranger).post(url).status_code == 404
    assert client_of(here.owner).get(url).status_code == 405
    assert Workspace.objects.count() == before
    shown = client_of(here.member).get(address(preset_named("Small"))).content.decode()
    assert "Build one" not in shown
    assert "Reset and retry" not in shown


def test_what_cannot_be_built_is_said_in_the_shell(here: World, client_of: ClientOf) -> None:
    small = preset_named("Small")
    template = small.template_version.template
    assert template is not None
    pools.promote(template, pools.version(template, "v2"))
    answer = client_of(here.owner).post(address(small, "preset-build"), follow=True)
    assert "keeps no pool now" in answer.content.decode()
