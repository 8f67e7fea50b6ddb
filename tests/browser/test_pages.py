"""Pages in a browser: live changes, logs, menus, the palette, themes, and life without scripts."""

from __future__ import annotations

import re

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from coder_admin.foundation.events import publish
from coder_admin.notifications.models import InboxNotification
from coder_admin.provisioning.models import ProvisionerJob, ProvisionerJobLog
from coder_admin.workspaces.models import Workspace, WorkspaceAgent
from tests.dashboard.world import PASSWORD, World
from tests.prebuilds import world as pools

from .conftest import PageOf

pytestmark = pytest.mark.browser


def live(page: Page) -> None:
    """Wait until the page follows its topics."""
    expect(page.locator("html")).to_have_attribute("data-connection", "on")


def test_signing_in_leads_to_the_page_that_was_asked_for(here: World, page_of: PageOf) -> None:
    page = page_of(None)
    page.goto("/people")
    page.get_by_label("Username or e-mail").fill("olive")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("main [role=alert]")).to_contain_text("Incorrect email or password")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("People")


def test_a_row_changes_in_place_and_the_others_stay(here: World, page_of: PageOf) -> None:
    page = page_of(here.owner)
    page.goto("/workspaces")
    live(page)
    row = page.locator(f"#workspace-{here.workspace.pk}")
    other = page.locator("#workspace-rows > tr").last
    expect(row).to_contain_text("Running")
    other.evaluate("element => { element.kept = 'yes'; }")
    pools.add_build(
        here.workspace, here.version, status="running", transition="stop", initiator=here.member.pk
    )
    publish(f"workspaces:{here.template.organization_id}", {"kind": "build"})
    expect(row).to_contain_text("Stopping")
    assert other.evaluate("element => element.kept") == "yes"


def test_the_first_rows_of_empty_lists_appear(here: World, page_of: PageOf) -> None:
    page = page_of(here.stranger)
    page.goto("/inbox")
    live(page)
    expect(page.locator("#inbox")).to_contain_text("No messages")
    InboxNotification.objects.create(
        user=here.stranger,
        template_id=here.template.pk,
        title="The first",
        content="It happened.",
        actions=[],
    )
    publish(f"inbox:{here.stranger.pk}", {"kind": "new"})
    expect(page.locator("#inbox-items")).to_contain_text("The first")


def test_jobs_come_and_change_by_themselves(here: World, page_of: PageOf) -> None:
    page = page_of(here.owner)
    page.goto("/provisioner-jobs")
    live(page)
    build = pools.add_build(here.workspace, here.version, status="pending", initiator=here.member.pk)
    publish(f"workspaces:{here.template.organization_id}", {"kind": "build"})
    row = page.locator(f"#job-{build.job_id}")
    expect(row).to_contain_text("1 of 1 in the queue")
    ProvisionerJob.objects.filter(pk=build.job_id).update(started_at=timezone.now())
    publish(f"workspaces:{here.template.organization_id}", {"kind": "build"})
    expect(row).to_contain_text("Running")


def test_nothing_moves_under_the_pointer(here: World, page_of: PageOf) -> None:
    page = page_of(here.owner)
    page.goto("/workspaces")
    live(page)
    rows = page.locator("#workspace-rows > tr")
    first = rows.first.get_attribute("id")
    rows.first.hover()
    newest = Workspace.objects.create(
        owner=here.member, organization=here.template.organization, template=here.template, name="newest"
    )
    pools.add_build(newest, here.version, initiator=here.member.pk)
    topic = f"workspaces:{here.template.organization_id}"
    publish(topic, {"kind": "build"})
    expect(rows.last).to_have_id(f"workspace-{newest.pk}")
    expect(rows.first).to_have_id(str(first))
    page.mouse.move(0, 0)
    publish(topic, {"kind": "build"})
    expect(rows.first).to_have_id(f"workspace-{newest.pk}")


def test_a_new_agent_appears_with_its_log_and_a_shown_log_stays(here: World, page_of: PageOf) -> None:
    row = Workspace.objects.create(
        owner=here.member, organization=here.template.organization, template=here.template, name="young"
    )
    pools.add_build(row, here.version, status="running", initiator=here.member.pk)
    page = page_of(here.member)
    page.goto("/@mia/young")
    live(page)
    expect(page.locator("#agents")).to_contain_text("No agents")
    pools.add_build(row, here.version, initiator=here.member.pk, agents=("starting",))
    publish(f"workspace:{row.pk}", {"kind": "build"})
    log = page.locator("[data-stay]")
    expect(log).to_contain_text("Log of main0")
    expect(page.locator("#workspace-resources")).to_contain_text("null_resource.a")
    log.evaluate("element => { element.kept = 'yes'; }")
    agent = WorkspaceAgent.objects.get(resource__workspace_build__workspace=row)
    agent.lifecycle_state = "ready"
    agent.save()
    publish(f"workspace:{row.pk}", {"kind": "agent"})
    expect(page.locator("#agents")).to_contain_text("Ready")
    assert log.evaluate("element => element.kept") == "yes"


def test_without_the_socket_the_page_asks_by_itself(here: World, page_of: PageOf) -> None:
    page = page_of(here.owner)
    page.route_web_socket(re.compile("/ws/live"), lambda socket: socket.close())
    page.goto("/@mia/dev-1")
    expect(page.locator("#workspace-badge")).to_contain_text("Running")
    pools.add_build(
        here.workspace, here.version, status="running", transition="stop", initiator=here.member.pk
    )
    expect(page.locator("#workspace-badge")).to_contain_text("Stopping", timeout=15_000)


def test_what_happened_while_the_connection_was_lost_is_seen_after_it(here: World, page_of: PageOf) -> None:
    page = page_of(here.owner)
    page.goto("/@mia/dev-1")
    live(page)
    page.context.set_offline(True)
    pools.add_build(
        here.workspace, here.version, status="running", transition="stop", initiator=here.member.pk
    )
    page.context.set_offline(False)
    publish(f"workspace:{here.workspace.pk}", {"kind": "build"})
    expect(page.locator("#workspace-badge")).to_contain_text("Stopping", timeout=15_000)


def test_the_bell_counts_and_lists(here: World, page_of: PageOf) -> None:
    page = page_of(here.owner)
    page.goto("/templates")
    live(page)
    bell = page.locator("#bell")
    expect(bell).to_contain_text("2")
    InboxNotification.objects.create(
        user=here.owner, template_id=here.template.pk, title="A new thing", content="It happened.", actions=[]
    )
    publish(f"inbox:{here.owner.pk}", {"kind": "new"})
    expect(bell).to_contain_text("3")
    bell.click()
    popover = page.locator("#bell-pop")
    expect(popover).to_contain_text("A new thing")
    popover.get_by_role("button", name="Mark all as read").click()
    expect(page.locator("#bell-count .count")).to_have_count(0)


def running_build(here: World, lines: int) -> ProvisionerJob:
    build = pools.add_build(here.workspace, here.version, status="running", initiator=here.member.pk)
    append(build.job, 0, lines)
    return build.job


def append(job: ProvisionerJob, start: int, stop: int) -> None:
    for number in range(start, stop):
        ProvisionerJobLog.objects.create(job=job, stage="Applying", output=f"step {number}")
    publish(f"job:{job.pk}", {"kind": "logs"})


def test_the_log_goes_on_follows_releases_and_ends(here: World, page_of: PageOf) -> None:
    job = running_build(here, 100)
    page = page_of(here.member)
    page.goto("/@mia/dev-1/builds/2")
    live(page)
    log = page.get_by_role("log")
    follow = page.get_by_role("button", name="Follow")
    lines = log.locator(".log-line")
    expect(lines).to_have_count(100)
    expect(follow).to_have_attribute("aria-pressed", "true")
    append(job, 100, 120)
    expect(lines).to_have_count(120)
    expect(lines.last).to_be_in_viewport()
    log.hover()
    page.mouse.wheel(0, -1500)
    expect(follow).to_have_attribute("aria-pressed", "false")
    append(job, 120, 130)
    expect(lines).to_have_count(130)
    expect(lines.last).not_to_be_in_viewport()
    follow.click()
    expect(lines.last).to_be_in_viewport()
    job.completed_at = timezone.now()
    job.save()
    publish(f"job:{job.pk}", {"kind": "end_of_logs"})
    expect(page.locator("[data-log-status]")).to_have_text("Complete")
    expect(page.locator("#build-badge")).to_contain_text("Succeeded")
    expect(follow).to_be_hidden()
    texts = lines.locator(".text").all_inner_texts()
    assert [text.split("\n")[-1] for text in texts] == [f"step {number}" for number in range(130)]


def test_the_log_resumes_where_the_connection_broke(here: World, page_of: PageOf) -> None:
    job = running_build(here, 5)
    page = page_of(here.member)
    page.goto("/@mia/dev-1/builds/2")
    live(page)
    lines = page.get_by_role("log").locator(".log-line")
    expect(lines).to_have_count(5)
    page.context.set_offline(True)
    append(job, 5, 1200)
    page.context.set_offline(False)
    publish(f"job:{job.pk}", {"kind": "logs"})
    expect(lines).to_have_count(1200, timeout=20_000)


def test_the_log_is_searched(here: World, page_of: PageOf) -> None:
    running_build(here, 60)
    page = page_of(here.member)
    page.goto("/@mia/dev-1/builds/2")
    page.get_by_label("Search in Log of build 2").fill("step 5")
    hits = page.locator("[data-log-hits]")
    expect(hits).to_have_text("1 of 11")
    page.keyboard.press("Enter")
    expect(hits).to_have_text("2 of 11")
    expect(page.locator(".log-line.is-current")).to_contain_text("step 50")


def test_the_palette_opens_by_keyboard_and_leads_somewhere(here: World, page_of: PageOf) -> None:
    page = page_of(here.owner)
    page.goto("/")
    page.keyboard.press("Control+k")
    box = page.get_by_role("combobox", name="Search or jump to")
    expect(box).to_be_focused()
    box.fill("dev-1")
    expect(page.get_by_role("option", name="mia/dev-1")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("dev-1")


def test_a_dialog_asks_before_deleting_and_escape_leaves(here: World, page_of: PageOf) -> None:
    page = page_of(here.member)
    page.goto("/@mia/dev-1")
    page.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog", name="Delete mia/dev-1")
    expect(dialog).to_contain_text("This cannot be undone")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Build 2: delete")
    assert Workspace.objects.get(pk=here.workspace.pk).builds.count() == 2


def test_a_menu_is_used_with_the_keyboard(here: World, page_of: PageOf) -> None:
    page = page_of(here.owner)
    page.goto("/templates/coder/go-service")
    page.get_by_role("button", name="More actions").press("Enter")
    menu = page.locator("#template-menu")
    expect(menu.get_by_role("link", name="Upload a version")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(menu.get_by_role("button", name="Invalidate prebuilds")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Invalidate prebuilds")).to_be_visible()


def test_the_theme_is_chosen_and_kept(here: World, page_of: PageOf) -> None:
    page = page_of(here.owner)
    page.goto("/inbox")
    page.get_by_role("button", name="Theme").click()
    page.get_by_role("radio", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_the_rail_is_a_drawer_on_a_small_screen(here: World, page_of: PageOf) -> None:
    page = page_of(here.owner, width=360)
    page.goto("/")
    rail = page.get_by_role("navigation", name="Main")
    expect(rail).to_be_hidden()
    page.get_by_role("link", name="Open navigation").click()
    expect(rail).to_be_visible()
    page.keyboard.press("Escape")
    expect(rail).to_be_hidden()
    page.get_by_role("link", name="Open navigation").click()
    rail.get_by_role("link", name="Templates").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Templates")


def test_a_picker_filters_and_a_chip_takes_it_back(here: World, page_of: PageOf) -> None:
    page = page_of(here.owner)
    page.goto("/workspaces")
    page.get_by_label("Status").select_option("failed")
    expect(page).to_have_url(re.compile("filter=status%3Afailed"))
    expect(page.locator("#workspace-rows")).to_contain_text("broken")
    expect(page.locator("#workspace-rows")).not_to_contain_text("dev-1")
    page.get_by_role("link", name="Remove filter status:failed").click()
    expect(page.locator("#workspace-rows")).to_contain_text("dev-1")


def test_pages_work_without_scripts(here: World, page_of: PageOf) -> None:
    page = page_of(here.owner, scripts=False, width=360)
    page.goto("/")
    page.get_by_role("link", name="Open navigation").click()
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Workspaces").click()
    page.get_by_role("link", name="dev-1").click()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Build 2: stop")
