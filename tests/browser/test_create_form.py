"""The create form over its websocket: rules of reference/dynamic-parameters.md section 11."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from coder_admin.workspaces.models import Workspace
from tests.dashboard.world import World

from .conftest import PageOf

pytestmark = pytest.mark.browser

FORM = "/templates/coder/go-service/workspace?preset="
SOCKET = re.compile("/dynamic-parameters")


def opened(page: Page, address: str = FORM) -> Page:
    page.goto(address)
    expect(page.locator("parameter-form")).to_have_attribute("data-state", "ready")
    return page


def state(page: Page, name: str) -> None:
    expect(page.locator("parameter-form")).to_have_attribute("data-state", name)


class Line:
    """A connection whose answers the test holds back or lets through; and that it can cut."""

    def __init__(self) -> None:
        self.holding = False
        self.held: list[tuple[WebSocketRoute, str | bytes]] = []
        self.routes: list[WebSocketRoute] = []
        self.refusing = False

    def attach(self, route: WebSocketRoute) -> None:
        if self.refusing:
            route.close()
            return
        self.routes.append(route)
        server = route.connect_to_server()
        route.on_message(server.send)
        server.on_message(lambda message: self.pass_on(route, message))

    def pass_on(self, route: WebSocketRoute, message: str | bytes) -> None:
        if self.holding:
            self.held.append((route, message))
        else:
            route.send(message)

    def release(self) -> None:
        self.holding = False
        for route, message in self.held:
            route.send(message)
        self.held.clear()


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def form(here: World, page_of: PageOf, line: Line) -> Callable[..., Page]:
    def make(address: str = FORM) -> Page:
        page = page_of(here.member)
        page.route_web_socket(SOCKET, line.attach)
        return opened(page, address)

    return make


def test_fields_follow_and_appear_as_the_template_says(form: Callable[..., Page]) -> None:
    page = form()
    expect(page.get_by_label("note", exact=False)).to_have_value("in eu")
    expect(page.locator("[data-parameter=zone]")).to_have_count(0)
    page.get_by_label("America").check()
    expect(page.get_by_label("note")).to_have_value("in us")
    expect(page.get_by_label("zone")).to_have_value("us-1")
    page.get_by_label("Europe").check()
    expect(page.locator("[data-parameter=zone]")).to_have_count(0)
    expect(page.get_by_label("note")).to_have_value("in eu")


def test_what_was_typed_stays_when_others_change(form: Callable[..., Page]) -> None:
    page = form()
    note = page.get_by_label("note")
    note.fill("mine")
    page.get_by_label("America").check()
    expect(page.get_by_label("zone")).to_be_visible()
    expect(note).to_have_value("mine")
    note.fill("")
    page.get_by_label("Europe").check()
    state(page, "ready")
    expect(note).to_have_value("")


def test_a_late_answer_does_not_undo_typing(form: Callable[..., Page], line: Line) -> None:
    page = form()
    note = page.get_by_label("note")
    line.holding = True
    note.press_sequentially("abc")
    state(page, "checking")
    note.press_sequentially("def", delay=20)
    line.release()
    state(page, "ready")
    expect(note).to_have_value("abcdefin eu")


def test_nothing_is_sent_while_an_answer_is_awaited(form: Callable[..., Page], line: Line) -> None:
    page = form()
    page.get_by_label("Name").fill("waiting")
    line.holding = True
    page.get_by_label("America").check()
    state(page, "checking")
    button = page.get_by_role("button", name="Create workspace")
    expect(button).to_have_attribute("aria-disabled", "true")
    button.click(force=True)
    expect(page.locator("[data-form-status]")).to_have_text("The values are being checked.")
    assert not Workspace.objects.filter(name="waiting").exists()
    line.release()
    expect(button).to_have_attribute("aria-disabled", "false")
    button.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("waiting")


def test_a_lost_connection_is_told_blocks_and_comes_back_with_what_was_typed(
    form: Callable[..., Page], line: Line
) -> None:
    page = form()
    page.get_by_label("note").fill("kept")
    state(page, "ready")
    line.refusing = True
    line.routes[-1].close()
    expect(page.locator("[data-form-status]")).to_contain_text("connection to the server is lost")
    expect(page.get_by_role("button", name="Create workspace")).to_have_attribute("aria-disabled", "true")
    page.get_by_label("America").check()
    line.refusing = False
    state(page, "ready")
    expect(page.get_by_label("note")).to_have_value("kept")
    expect(page.get_by_label("zone")).to_have_value("us-1")
    expect(page.get_by_label("America")).to_be_checked()


def test_an_error_is_beside_its_field_once_touched_and_blocks(form: Callable[..., Page]) -> None:
    page = form()
    size = page.get_by_label("size")
    expect(page.locator("[data-parameter=size] .field-error")).to_have_count(0)
    size.fill("99")
    expect(page.locator("[data-parameter=size] .field-error")).to_be_visible()
    expect(size).to_have_attribute("aria-invalid", "true")
    expect(size).to_have_value("99")
    expect(page.locator("[data-form-status]")).to_have_text("One value needs a correction.")
    size.fill("3")
    expect(page.locator("[data-parameter=size] .field-error")).to_have_count(0)
    expect(page.locator("[data-form-status]")).to_have_text("All values are accepted.")


def test_a_preset_fills_in_and_gives_back(form: Callable[..., Page]) -> None:
    page = form()
    size = page.get_by_label("size")
    size.fill("5")
    page.get_by_role("radio", name="Large").check()
    expect(size).to_have_value("8")
    expect(page.locator("[data-parameter=size]")).to_contain_text("from the preset")
    page.get_by_role("radio", name="None").check()
    expect(size).to_have_value("5")


def test_a_value_of_the_preset_that_is_changed_stays_changed(form: Callable[..., Page]) -> None:
    page = form("/templates/coder/go-service/workspace")
    page.get_by_label("Name").fill("own")
    expect(page.get_by_role("radio", name="Large")).to_be_checked()
    page.get_by_label("size").fill("7")
    expect(page.get_by_role("radio", name="None")).to_be_checked()
    expect(page.locator("[data-form-status]")).to_contain_text(
        "The preset Large is not used any more, because size was changed."
    )
    state(page, "ready")
    page.get_by_role("button", name="Create workspace").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("own")
    build = Workspace.objects.get(name="own").latest_build
    assert build is not None
    assert build.parameters.get(name="size").value == "7"


def test_a_link_reaches_fields_that_appear_later(form: Callable[..., Page]) -> None:
    page = form(f"{FORM}&param.zone=us-9&param.note=linked")
    expect(page.get_by_label("note")).to_have_value("linked")
    expect(page.locator("[data-parameter=note]")).to_contain_text("from the link")
    page.get_by_label("America").check()
    expect(page.get_by_label("zone")).to_have_value("us-9")


def test_choosing_what_is_chosen_changes_nothing(form: Callable[..., Page]) -> None:
    page = form()
    page.get_by_label("Europe").check()
    page.get_by_label("Europe").click()
    expect(page.get_by_label("Europe")).to_be_checked()
    state(page, "ready")


def test_the_workspace_gets_what_the_form_showed(form: Callable[..., Page]) -> None:
    page = form()
    expect(page.locator("[data-parameter=size]")).to_contain_text("from your last workspace")
    page.get_by_label("Name").fill("shown")
    page.get_by_label("America").check()
    page.get_by_label("note").fill("hello")
    state(page, "ready")
    page.get_by_role("button", name="Create workspace").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("shown")
    build = Workspace.objects.get(name="shown").latest_build
    assert build is not None
    assert dict(build.parameters.values_list("name", "value")) == {
        "region": "us",
        "size": "8",
        "zone": "us-1",
        "note": "hello",
    }


def test_a_chosen_text_stays_chosen_when_its_value_arrives(form: Callable[..., Page]) -> None:
    """Who has chosen a whole text in order to write over it does so, whatever arrives in between."""
    page = form()
    expect(page.locator("[data-parameter=size]")).to_contain_text("from your last workspace")
    note = page.get_by_label("note")
    note.select_text()
    before = note.input_value()
    page.evaluate("document.querySelector('input[value=us]').click()")  # leaves the focus where it is
    expect(note).not_to_have_value(before)
    page.keyboard.type("hello")
    expect(note).to_have_value("hello")
