"""Pages of a workspace's own clock, of several workspaces at once, and of what claims replaced."""

from __future__ import annotations

from collections.abc import Callable
from datetime import time, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from coder_admin.catalog.models import Template, TemplateVersionTerraformValues
from coder_admin.dashboard.clock_view import SimpleSchedule, schedule_words, simple_schedule
from coder_admin.organizations.models import User
from coder_admin.workspaces.models import (
    Workspace,
    WorkspaceAgentMetadatum,
    WorkspaceAgentScript,
    WorkspaceAgentScriptTiming,
    WorkspaceApp,
    WorkspaceBuild,
)
from tests.prebuilds import world as pools

from .world import TEMPLATE as TEMPLATE_SOURCE
from .world import World, archive

ClientOf = Callable[[User], Client]
PLACE = ("mia", "dev-1")
HOUR = 3_600_000


def page(client: Client, name: str = "workspace", *args: Any, place: Any = PLACE, status: int = 200) -> str:
    answer = client.get(reverse(f"dashboard:{name}", args=(*place, *args)))
    assert answer.status_code == status
    return answer.content.decode()


@given(
    st.times(timezones=st.none()).map(lambda t: time(t.hour, t.minute)),
    st.sets(st.integers(0, 6), min_size=1),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]),
)
def test_a_simple_schedule_survives_the_way_there_and_back(at: time, days: set[int], zone: str) -> None:
    wanted = SimpleSchedule(at, tuple(sorted(days)), zone)
    assert simple_schedule(wanted.text) == wanted


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("CRON_TZ=Europe/Berlin 30 9 * * 1-5", "Monday to Friday at 09:30 (Europe/Berlin)"),
        ("0 7 * * *", "Every day at 07:00 (UTC)"),
        ("0 7 * * 0,6", "Saturday and Sunday at 07:00 (UTC)"),
        ("*/30 7 * * *", "*/30 7 * * *"),
        ("nonsense", "nonsense"),
    ],
)
def test_schedules_in_words(text: str, words: str) -> None:
    assert schedule_words(text) == words


FORM = {
    "kind": "days",
    "at": "07:30",
    "days": ["0", "2"],
    "zone": "Europe/Berlin",
    "cron": "",
    "hours": "1.5",
    "always": "on",
}


def test_the_schedule_is_shown_and_changed(here: World, client_of: ClientOf) -> None:
    client = client_of(here.member)
    url = reverse("dashboard:workspace-schedule", args=PLACE)
    assert "Save schedule" in page(client, "workspace-schedule")
    assert client.post(url, FORM)["Location"] == url
    here.workspace.refresh_from_db()
    row = here.workspace
    assert row.autostart_schedule == "CRON_TZ=Europe/Berlin 30 7 * * 1,3"
    assert (row.ttl_ms, row.automatic_updates) == (HOUR * 3 // 2, "always")
    shown = page(client, "workspace-schedule")
    assert "Monday and Wednesday at 07:30 (Europe/Berlin)" in shown
    assert 'value="07:30"' in shown
    assert client.post(url, FORM | {"kind": "off", "hours": "", "always": ""}).status_code == 302
    here.workspace.refresh_from_db()
    assert (here.workspace.autostart_schedule, here.workspace.ttl_ms) == ("", None)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"at": "late"}, "valid time"),
        ({"days": []}, "Choose at least one day."),
        ({"zone": ""}, "Name a time zone"),
        ({"zone": "Mars/Base"}, "is not a time zone"),
        ({"kind": "cron", "cron": ""}, "Give an expression"),
        ({"kind": "cron", "cron": "0 9 1 * *"}, "both must be *"),
        ({"hours": "0"}, "greater than or equal"),
        ({"hours": "9999"}, "less than or equal"),
        ({"kind": "never"}, "valid choice"),
    ],
)
def test_a_wrong_schedule_is_said_at_its_field(
    here: World, client_of: ClientOf, change: dict[str, Any], words: str
) -> None:
    url = reverse("dashboard:workspace-schedule", args=PLACE)
    answer = client_of(here.member).post(url, FORM | change)
    assert answer.status_code == 400
    assert words in answer.content.decode()
    here.workspace.refresh_from_db()
    assert (here.workspace.autostart_schedule, here.workspace.ttl_ms) == ("", None), "all or nothing"


def test_the_templates_rules_are_said(here: World, client_of: ClientOf) -> None:
    Template.objects.update(allow_user_autostart=False, allow_user_autostop=False, autostart_days_of_week=3)
    client = client_of(here.member)
    shown = page(client, "workspace-schedule")
    assert "does not let workspaces start by themselves" in shown
    assert "decides when its workspaces stop" in shown
    assert "Monday and Tuesday" in shown
    refused = client.post(reverse("dashboard:workspace-schedule", args=PLACE), FORM)
    assert "forbid autostart" in refused.content.decode()


def test_a_start_that_will_be_refused_is_said_beforehand(here: World, client_of: ClientOf) -> None:
    newer = pools.version(here.template, "newer")
    text = TEMPLATE_SOURCE + b'data "coder_parameter" "team" {\n  name = "team"\n}\n'
    newer.job.file = archive({"main.tf": text}, here.owner)
    newer.job.save()
    TemplateVersionTerraformValues.objects.create(template_version=newer, provisionerd_version="1.9")
    Template.objects.filter(pk=here.template.pk).update(active_version=newer)
    client = client_of(here.member)
    assert "will be refused" not in page(client, "workspace-schedule")
    Workspace.objects.update(automatic_updates="always")
    assert "will be refused" in page(client, "workspace-schedule")


def test_prebuilds_and_strangers_get_no_form(here: World, client_of: ClientOf) -> None:
    prebuild = Workspace.objects.filter(owner__username="prebuilds").first()
    assert prebuild is not None
    shown = page(client_of(here.owner), "workspace-schedule", place=("prebuilds", prebuild.name))
    assert "A prebuild has no schedule" in shown
    assert "Save schedule" not in shown
    theirs = reverse("dashboard:workspace-schedule", args=("prebuilds", prebuild.name))
    assert client_of(here.owner).post(theirs, FORM).status_code == 403
    page(client_of(here.stranger), "workspace-schedule", status=404)
    url = reverse("dashboard:workspace-extend", args=PLACE)
    assert client_of(here.stranger).post(url, {"deadline": "2030-01-01T00:00:00Z"}).status_code == 404


def test_a_deadline_is_shown_and_moved(here: World, client_of: ClientOf) -> None:
    now = timezone.now()
    WorkspaceBuild.objects.filter(workspace=here.workspace).update(
        deadline=now + timedelta(hours=2, minutes=1), max_deadline=now + timedelta(hours=5)
    )
    client = client_of(here.member)
    shown = page(client)
    assert "It stops in 2 h" in shown
    assert "1 h longer" in shown
    assert "4 h longer" not in shown, "the template's longest life is before that"
    wanted = now + timedelta(hours=3)
    url = reverse("dashboard:workspace-extend", args=PLACE)
    assert client.post(url, {"deadline": wanted.isoformat()}).status_code == 302
    assert WorkspaceBuild.objects.get(workspace=here.workspace).deadline == wanted
    for wrong in ("", "soon", "2030-01-01T00:00:00", (now + timedelta(hours=9)).isoformat()):
        assert client.post(url, {"deadline": wrong}).status_code == 302
        assert WorkspaceBuild.objects.get(workspace=here.workspace).deadline == wanted
    assert "at most" in client.get("/inbox").content.decode(), "the refusal is said on the next page"


def test_asleep_and_awake(here: World, client_of: ClientOf) -> None:
    client = client_of(here.member)
    url = reverse("dashboard:workspace-sleep", args=PLACE)
    client.post(url, {"dormant": "true"})
    shown = page(client)
    assert "but still running. Stop it to free what it uses, or wake it." in shown
    assert ">Wake</button>" in shown
    assert ">Start</button>" not in shown
    assert "dormant: wake it to use it" in client.get("/workspaces").content.decode()
    client.post(url, {"dormant": "false"})
    assert ">Wake</button>" not in page(client)


def test_a_favorite(here: World, client_of: ClientOf) -> None:
    client = client_of(here.member)
    assert "Mark as favorite" in page(client)
    client.post(reverse("dashboard:workspace-favorite", args=PLACE), {"favorite": "true"})
    assert "Not a favorite any more" in page(client)
    assert 'aria-label="Favorite"' in client.get("/workspaces").content.decode()
    assert "favorite" not in page(client_of(here.owner)).lower()


def test_another_version(here: World, client_of: ClientOf) -> None:
    client = client_of(here.member)
    other = pools.version(here.template, "v-other")
    shown = page(client, "workspace-version")
    assert "v-other" in shown
    assert "in use" in shown
    url = reverse("dashboard:workspace-version", args=PLACE)
    assert client.post(url, {"version": "x"}).status_code == 400
    foreign = pools.template("foreign").active_version_id
    assert client.post(url, {"version": str(foreign)}).status_code == 404
    other.job.file_id = here.version.job.file_id
    other.job.save()
    assert client.post(url, {"version": str(other.pk)})["Location"] == "/@mia/dev-1/builds/2"
    assert (
        WorkspaceBuild.objects.get(workspace=here.workspace, build_number=2).template_version_id == other.pk
    )


def test_an_outdated_workspace_of_a_strict_template_offers_no_start_on_its_old_version(
    here: World, client_of: ClientOf
) -> None:
    newer = pools.version(here.template, "newer")
    Template.objects.filter(pk=here.template.pk).update(active_version=newer, require_active_version=True)
    WorkspaceBuild.objects.filter(workspace=here.workspace).update(transition="stop")
    shown = page(client_of(here.member))
    assert "Update and start" in shown
    assert ">Start</button>" not in shown


# --- several at once ------------------------------------------------------------------------------


def bulk(client: Client, **body: Any) -> Any:
    return client.post(reverse("dashboard:workspaces-bulk"), body)


def test_several_are_stopped_after_a_question(here: World, client_of: ClientOf) -> None:
    client = client_of(here.member)
    rows = {row.name: row for row in Workspace.objects.filter(owner=here.member)}
    ids = [str(row.pk) for row in rows.values()]
    asked = bulk(client, action="stop", ids=ids).content.decode()
    assert "Stop 1 workspace?" in asked, "the broken one does not run"
    assert "Left out" in asked
    assert WorkspaceBuild.objects.filter(workspace=rows["dev-1"]).count() == 1, "nothing happened yet"
    done = bulk(client, action="stop", ids=ids, confirmed="1").content.decode()
    assert "1 build has begun" in done
    assert WorkspaceBuild.objects.get(workspace=rows["dev-1"], build_number=2).transition == "stop"
    again = bulk(client, action="stop", ids=ids, confirmed="1").content.decode()
    assert "None of the chosen workspaces can be stopped now." in again


def test_a_refusal_of_one_leaves_the_others(
    here: World, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    from coder_admin.dashboard.views import bulk as view
    from coder_admin.foundation.errors import Conflict

    real = view.ACTIONS["delete"].run

    def refuse_broken(*, actor: Any, workspace: Workspace) -> WorkspaceBuild:
        if workspace.name == "broken":
            raise Conflict("Somebody was quicker.")
        return real(actor=actor, workspace=workspace)

    from dataclasses import replace

    monkeypatch.setitem(
        view.ACTIONS,
        "delete",
        replace(view.ACTIONS["delete"], run=refuse_broken),
    )
    ids = [str(row.pk) for row in Workspace.objects.filter(owner=here.member)]
    done = bulk(client_of(here.member), action="delete", ids=ids, confirmed="1").content.decode()
    assert "1 build has begun" in done
    assert "Somebody was quicker." in done


def test_all_that_match_are_counted_by_the_server(here: World, client_of: ClientOf) -> None:
    asked = bulk(client_of(here.owner), action="delete", all="1", filter="owner:mia").content.decode()
    assert "Delete 2 workspaces?" in asked


def test_bulk_reaches_nothing_that_the_viewer_may_not_touch(here: World, client_of: ClientOf) -> None:
    ids = [str(row.pk) for row in Workspace.objects.all()]
    client = client_of(here.stranger)
    assert bulk(client, action="delete", ids=ids, confirmed="1")["Location"] == "/workspaces"
    assert not WorkspaceBuild.objects.filter(transition="delete").exists()
    assert bulk(client, action="explode", ids=ids).status_code == 404
    assert bulk(client, action="stop", ids=["x"]).status_code == 400
    assert client.get(reverse("dashboard:workspaces-bulk")).status_code == 405


# --- agents, replacements, timings ----------------------------------------------------------------


def test_a_stop_leaves_no_agents_to_wait_for(here: World, client_of: ClientOf) -> None:
    client = client_of(here.member)
    assert "No agents" not in page(client)
    build = here.workspace.latest_build
    assert build is not None
    WorkspaceBuild.objects.filter(pk=build.pk).update(transition="stop")
    assert "No agents" in page(client)


def test_an_agents_facts_apps_and_blocking_scripts(here: World, client_of: ClientOf) -> None:
    agent = here.agent
    WorkspaceAgentMetadatum.objects.create(
        agent=agent, key="cpu", display_name="CPU load", value="12 %", collected_at=timezone.now()
    )
    WorkspaceAgentMetadatum.objects.create(
        agent=agent, key="disk", error="<b>no disk</b>", collected_at=timezone.now(), display_order=1
    )
    WorkspaceAgentMetadatum.objects.create(agent=agent, key="later", display_order=2)
    for slug, url, external, health in (
        ("web", "http://localhost:8080", False, "unhealthy"),
        ("docs", "https://example.com", True, "disabled"),
        ("evil", "javascript:alert(1)", True, "disabled"),
        ("evil2", "vscode://x", False, "disabled"),
    ):
        WorkspaceApp.objects.create(
            agent=agent, slug=slug, url=url, external=external, health=health, display_name=f"App {slug}"
        )
    source = agent.log_sources.first()
    assert source is not None
    script = WorkspaceAgentScript.objects.create(
        agent=agent,
        log_source=source,
        display_name="Dotfiles",
        script="x",
        run_on_start=True,
        start_blocks_login=True,
    )
    client = client_of(here.member)
    shown = page(client)
    for text in (
        "CPU load",
        "12 %",
        "&lt;b&gt;no disk",
        "not measured yet",
        "Unhealthy",
        "App web",
        "App docs",
    ):
        assert text in shown
    assert "on the workspace&#x27;s machine" in shown
    assert "javascript:" not in shown
    assert "vscode://x" not in shown
    assert "Wait before you sign in" not in shown
    type(agent).objects.filter(pk=agent.pk).update(lifecycle_state="starting")
    assert "Dotfiles has to end first." in page(client)
    now = timezone.now()
    WorkspaceAgentScriptTiming.objects.create(
        script=script,
        started_at=now,
        ended_at=now + timedelta(seconds=3),
        exit_code=0,
        stage="start",
        status="ok",
    )
    assert f"{agent.name}: Dotfiles" in page(client, "build", 1)


def test_replaced_resources_on_the_build_and_the_preset(here: World, client_of: ClientOf) -> None:
    client = client_of(here.member)
    assert "Replaced resources" not in page(client, "build", 1)
    WorkspaceBuild.objects.filter(workspace=here.workspace).update(
        prebuild_stage="claim", resource_replacements={"docker_container.dev": ["env.0", "image"]}
    )
    build = page(client, "build", 1)
    assert "This claim replaced what the pool had prepared." in build
    assert "ignore_changes = [env[0], image]" in build
    preset = client.get(
        reverse("dashboard:preset", args=("coder", "go-service", here.preset_id))
    ).content.decode()
    assert "Claims of this preset replace what its pool prepared." in preset
    assert "1 claim of this version did so." in preset
    assert "docker_container.dev" in preset


# --- a template's settings ------------------------------------------------------------------------

TEMPLATE = ("coder", "go-service")
SETTINGS = {
    "display_name": "Go",
    "description": "",
    "icon": "",
    "deprecation_message": "",
    "default_ttl_ms": "8",
    "max_ttl_ms": "48",
    "activity_bump_ms": "1",
    "failure_ttl_ms": "0.5",
    "time_til_dormant_ms": "168",
    "time_til_dormant_autodelete_ms": "720",
    "allow_user_autostart": "on",
    "days": ["0", "6"],
    "require_active_version": "on",
}


def test_template_settings(here: World, client_of: ClientOf) -> None:
    url = reverse("dashboard:template-settings", args=TEMPLATE)
    owner, member = client_of(here.owner), client_of(here.member)
    assert member.get(url).status_code == 403
    assert client_of(here.stranger).get(url).status_code == 404
    assert "Settings</a>" not in member.get(reverse("dashboard:template", args=TEMPLATE)).content.decode()
    assert "Save settings" in owner.get(url).content.decode()
    assert owner.post(url, SETTINGS)["Location"] == url
    row = Template.objects.get(pk=here.template.pk)
    assert (row.display_name, row.default_ttl_ms, row.max_ttl_ms) == ("Go", 8 * HOUR, 48 * HOUR)
    assert (row.failure_ttl_ms, row.autostart_days_of_week) == (HOUR // 2, 0b1000001)
    assert (row.allow_user_autostart, row.allow_user_autostop, row.require_active_version) == (
        True,
        False,
        True,
    )
    assert 'value="0.50"' in owner.get(url).content.decode()
    owner.post(url, SETTINGS)
    assert "Nothing was changed." in owner.get("/inbox").content.decode()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"default_ttl_ms": "50"}, "Must not be above max_ttl_ms"),
        ({"default_ttl_ms": "-1"}, "greater than or equal"),
        ({"failure_ttl_ms": "0.01"}, "at least one minute"),
        ({"max_ttl_ms": "soon"}, "Enter a number"),
        ({"time_til_dormant_ms": ""}, "required"),
        ({"days": ["9"]}, "valid choice"),
        ({"display_name": "x" * 65}, "at most 64"),
    ],
)
def test_wrong_template_settings(
    here: World, client_of: ClientOf, change: dict[str, Any], words: str
) -> None:
    url = reverse("dashboard:template-settings", args=TEMPLATE)
    answer = client_of(here.owner).post(url, SETTINGS | change)
    assert answer.status_code == 400
    assert words in answer.content.decode()
    assert Template.objects.get(pk=here.template.pk).default_ttl_ms == 0


def test_saving_a_form_as_it_was_shown_changes_nothing(here: World, client_of: ClientOf) -> None:
    """Times that are no hundredths of an hour are rounded for the page, and must stay what they are."""
    Template.objects.update(failure_ttl_ms=90_000, default_ttl_ms=0)
    Workspace.objects.filter(pk=here.workspace.pk).update(ttl_ms=90_000, automatic_updates="always")
    owner, member = client_of(here.owner), client_of(here.member)
    template = {**SETTINGS, "failure_ttl_ms": "0.02", "max_ttl_ms": "0", "default_ttl_ms": "0"}
    assert 'value="0.02"' in owner.get(reverse("dashboard:template-settings", args=TEMPLATE)).content.decode()
    owner.post(reverse("dashboard:template-settings", args=TEMPLATE), template)
    assert Template.objects.get(pk=here.template.pk).failure_ttl_ms == 90_000
    member.post(reverse("dashboard:workspace-schedule", args=PLACE), FORM | {"hours": "0.02"})
    here.workspace.refresh_from_db()
    assert here.workspace.ttl_ms == 90_000
    assert here.workspace.autostart_schedule
