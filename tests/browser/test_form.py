"""The parameter form with every form type, on its three pages: create, workspace settings, preview."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from coder_admin.catalog.models import Template
from coder_admin.workspaces.models import Workspace, WorkspaceBuildParameter
from tests.dashboard.world import World
from tests.prebuilds import world as pools

from .conftest import PageOf
from .every_kind import ADDRESS, NAME, every_kind
from .test_accessibility import EVERY_RULE
from .test_create_form import SOCKET, Line, opened, state

pytestmark = pytest.mark.browser

STATUS = "[data-form-status]"
DEFAULTS = {
    "first": "a",
    "second": "ab",
    "third": "abc",
    "echo": "",
    "home": "/home/mia",
    "choice": "one",
    "menu": "red",
    "several": '["x"]',
    "tags": '["k"]',
    "box": "true",
    "locked": "true",
    "lamp": "false",
    "cores": "2",
    "story": "once",
    "secret": "hush",
    "once": "no",
}


@pytest.fixture
def kinds(here: World) -> World:
    every_kind(here)
    return here


def field(page: Page, name: str) -> Any:
    return page.locator(f"[data-parameter={name}]")


def text(page: Page, name: str) -> Any:
    return field(page, name).locator("input.input, textarea")


def stored(name: str) -> dict[str, Any]:
    build = Workspace.objects.get(name=name).latest_build
    assert build is not None
    return as_stored(dict(build.parameters.values_list("name", "value")))


def created(page: Page, name: str) -> dict[str, Any]:
    state(page, "ready")
    expect(page.locator(STATUS)).to_have_text("All values are accepted.")
    page.get_by_role("button", name="Create workspace").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    return stored(name)


def as_stored(values: dict[str, str]) -> dict[str, Any]:
    return {name: json.loads(v) if v.startswith("[") else v for name, v in values.items()}


def test_every_form_type_takes_a_value_and_axe_finds_nothing(kinds: World, page_of: PageOf) -> None:
    page = opened(page_of(kinds.member), ADDRESS)
    page.get_by_label("Name").fill("all")
    secret = text(page, "secret")
    expect(secret).to_have_attribute("type", "password")
    field(page, "secret").get_by_role("button", name="Show value").click()
    expect(secret).to_have_attribute("type", "text")
    secret.fill("quiet")
    page.get_by_label("Two").check()
    field(page, "menu").get_by_role("combobox").select_option("blue")
    page.get_by_label("Y", exact=True).check()
    field(page, "tags").get_by_role("textbox").fill("l")
    field(page, "tags").get_by_role("textbox").press("Enter")
    field(page, "tags").get_by_role("button", name="Remove k").click()
    field(page, "box").get_by_role("checkbox").uncheck()
    expect(field(page, "locked").get_by_role("checkbox")).to_be_disabled()
    field(page, "lamp").get_by_role("switch").check()
    field(page, "cores").get_by_role("slider").fill("6")
    expect(text(page, "cores")).to_have_value("6")
    text(page, "story").fill("upon\na time")
    once = page.locator("[data-ephemeral]")
    expect(once.get_by_role("heading", name="For this start only")).to_be_visible()
    once.get_by_role("textbox").fill("yes")
    text(page, "cores").fill("99")
    expect(field(page, "cores").locator(".field-error")).to_be_visible()
    assert Axe().run(page, options=EVERY_RULE).response["violations"] == []
    text(page, "cores").fill("6")
    assert created(page, "all") == as_stored(
        DEFAULTS
        | {"choice": "two", "menu": "blue", "several": '["x", "y"]', "tags": '["l"]', "box": "false"}
        | {"lamp": "true", "cores": "6", "story": "upon\na time", "secret": "quiet", "once": "yes"}
    )


def test_a_chain_follows_while_the_reader_stays_where_they_type(kinds: World, page_of: PageOf) -> None:
    line = Line()
    page = page_of(kinds.member)
    page.route_web_socket(SOCKET, line.attach)
    opened(page, ADDRESS)
    first = text(page, "first")
    first.evaluate("element => { window.kept = [element]; }")
    text(page, "echo").evaluate("element => { window.kept.push(element); }")
    first.fill("xyz")
    expect(text(page, "third")).to_have_value("xyzbc")
    expect(field(page, "echo").locator(".field-hint")).to_have_text("said: xyz")
    # Typing in the middle while an answer is under way: neither caret nor text moves.
    echo = text(page, "echo")
    echo.press_sequentially("hello")
    echo.evaluate("element => element.setSelectionRange(2, 2)")
    line.holding = True
    first.evaluate(
        "element => { element.value = 'q'; element.dispatchEvent(new Event('input', {bubbles: true})); }"
    )
    state(page, "checking")
    echo.press("Z")
    line.release()
    state(page, "ready")
    expect(field(page, "echo").locator(".field-hint")).to_have_text("said: q")
    expect(text(page, "third")).to_have_value("qbc")
    expect(echo).to_have_value("heZllo")
    expect(echo).to_be_focused()
    assert echo.evaluate("element => element.selectionStart") == 3
    assert page.evaluate("window.kept.every((element) => element.isConnected)")


def test_what_is_typed_before_the_connection_stands_is_kept(kinds: World, page_of: PageOf) -> None:
    line = Line()
    line.refusing = True
    page = page_of(kinds.member)
    page.route_web_socket(SOCKET, line.attach)
    page.goto(ADDRESS)
    state(page, "lost")
    expect(page.get_by_role("button", name="Create workspace")).to_have_attribute("aria-disabled", "true")
    page.get_by_label("first").fill("early")
    page.get_by_label("Two").check()
    page.get_by_label("first").focus()
    line.refusing = False
    state(page, "ready")
    expect(text(page, "first")).to_have_value("early")
    expect(text(page, "first")).to_be_focused()
    expect(text(page, "third")).to_have_value("earlybc")
    expect(page.get_by_label("Two")).to_be_checked()


def test_the_keyboard_alone_creates_a_workspace(kinds: World, page_of: PageOf) -> None:
    page = opened(page_of(kinds.member), f"{ADDRESS}?param.third=t")
    keyboard = page.keyboard
    page.get_by_label("Name").focus()
    keyboard.type("keys")

    def onto(name: str) -> None:
        for _ in range(8):
            keyboard.press("Tab")
            if page.evaluate("document.activeElement.closest('[data-parameter]')?.dataset.parameter") == name:
                return
        raise AssertionError(f"{name} cannot be reached with Tab")

    onto("first")
    keyboard.press("Control+a")
    keyboard.type("k")
    onto("choice")
    keyboard.press("ArrowDown")
    onto("menu")
    keyboard.press("ArrowDown")
    onto("several")
    keyboard.press("Space")
    onto("tags")
    page.keyboard.press("Tab")
    keyboard.type("v")
    keyboard.press("Enter")
    keyboard.press("Backspace")
    onto("box")
    keyboard.press("Space")
    onto("lamp")
    keyboard.press("Space")
    onto("cores")
    keyboard.press("ArrowRight")
    keyboard.press("Tab")
    state(page, "ready")
    expect(page.locator(STATUS)).to_have_text("All values are accepted.")
    page.get_by_label("Name").focus()
    keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("keys")
    assert stored("keys") == as_stored(
        DEFAULTS
        | {"first": "k", "second": "kb", "third": "t", "choice": "two", "menu": "blue", "several": "[]"}
        | {"box": "false", "lamp": "true", "cores": "3"}
    )


def test_the_owner_decides_what_untouched_fields_hold(kinds: World, page_of: PageOf) -> None:
    page = opened(page_of(kinds.owner), ADDRESS)
    expect(text(page, "home")).to_have_value("/home/olive")
    page.get_by_label("Owner").select_option(str(kinds.member.pk))
    expect(text(page, "home")).to_have_value("/home/mia")
    text(page, "home").fill("/mine")
    page.get_by_label("Owner").select_option(str(kinds.owner.pk))
    state(page, "ready")
    expect(text(page, "home")).to_have_value("/mine")


def workspace_of(here: World, values: dict[str, str]) -> Workspace:
    template = Template.objects.get(name=NAME)
    version = template.active_version
    assert version is not None
    workspace = Workspace.objects.create(
        owner=here.member, organization=template.organization, template=template, name="kept"
    )
    build = pools.add_build(workspace, version, None, initiator=here.member.pk)
    WorkspaceBuildParameter.objects.bulk_create(
        WorkspaceBuildParameter(workspace_build=build, name=name, value=value)
        for name, value in values.items()
    )
    return workspace


def test_settings_keep_what_is_fixed_and_start_with_what_changed(kinds: World, page_of: PageOf) -> None:
    workspace_of(kinds, DEFAULTS | {"choice": "two", "cores": "4", "once": "yes"})
    page = opened(page_of(kinds.member), "/@mia/kept/parameters")
    expect(page.get_by_label("Two")).to_be_checked()
    expect(page.get_by_label("Two")).to_be_disabled()
    expect(field(page, "choice")).to_contain_text("fixed at creation")
    expect(text(page, "cores")).to_have_value("4")
    expect(page.locator("[data-ephemeral]").get_by_role("textbox")).to_have_value("no")
    # The rule against the stored value is the server's to judge; its answer is beside the field.
    text(page, "cores").fill("3")
    state(page, "ready")
    page.get_by_role("button", name="Apply these values").click()
    expect(field(page, "cores").locator(".field-error")).to_contain_text(
        "equal or greater than previous value: 4"
    )
    text(page, "cores").fill("5")
    expect(field(page, "cores").locator(".field-error")).to_have_count(0)
    text(page, "story").fill("more")
    state(page, "ready")
    page.get_by_role("button", name="Apply these values").click()
    expect(page).to_have_url(re.compile("/@mia/kept/builds/2$"))
    assert stored("kept") == as_stored(DEFAULTS | {"choice": "two", "cores": "5", "story": "more"})


def test_a_preview_is_shared_by_its_address(kinds: World, page_of: PageOf) -> None:
    page = opened(page_of(kinds.owner), f"/templates/coder/{NAME}/versions/v1/preview")
    page.get_by_label("Owner").select_option(str(kinds.member.pk))
    text(page, "first").fill("s&h")
    expect(text(page, "third")).to_have_value("s&hbc")
    expect(page).to_have_url(re.compile(r"param\.first=s%26h"))
    other = opened(page_of(kinds.owner), page.url)
    expect(text(other, "first")).to_have_value("s&h")
    expect(text(other, "home")).to_have_value("/home/mia")
    assert not Workspace.objects.filter(template__name=NAME).exists()


def test_without_scripts_every_form_type_is_sent(kinds: World, page_of: PageOf) -> None:
    page = page_of(kinds.member, scripts=False)
    page.goto(ADDRESS)
    page.get_by_label("Name").fill("plain")
    expect(page.get_by_label("tags")).to_have_value("k")
    page.get_by_label("first").fill("n")
    page.get_by_label("cores").fill("99")
    page.get_by_role("button", name="Check the values").click()
    expect(field(page, "cores").locator(".field-error")).to_be_visible()
    page.get_by_role("button", name="Create workspace").click()
    expect(field(page, "cores").locator(".field-error")).to_be_visible()
    assert not Workspace.objects.filter(name="plain").exists()
    page.get_by_label("cores").fill("3")
    page.get_by_label("Z", exact=True).check()
    page.get_by_label("tags").fill("one\ntwo")
    page.get_by_role("button", name="Create workspace").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("plain")
    assert stored("plain") == as_stored(
        DEFAULTS | {"first": "n", "cores": "3", "several": '["x", "z"]', "tags": '["one", "two"]'}
    )
