"""The bell: a message shows within a second, reading it lasts, and a lost connection loses nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, Route, expect

from coder_admin.dashboard.views import inbox as views
from coder_admin.foundation.events import publish
from coder_admin.notifications.dispatcher import Notifier
from coder_admin.notifications.kinds import TEST
from coder_admin.notifications.models import InboxNotification
from coder_admin.notifications.services import notify
from coder_admin.organizations.models import User
from tests.dashboard.world import World
from tests.notifications.kit import until

from .conftest import PageOf
from .test_pages import live

pytestmark = pytest.mark.browser

SOCKETS = """
window.cut = false;
window.sockets = [];
window.WebSocket = new Proxy(window.WebSocket, {
  construct(Kind, given) {
    const made = new Kind(...given);
    window.sockets.push(made);
    if (window.cut) made.close();
    return made;
  },
});
// No polling: whatever is seen came by the socket, or because of it.
const every = window.setInterval.bind(window);
window.setInterval = (action, time, ...more) => (time === 5000 ? 0 : every(action, time, ...more));
"""


@pytest.fixture
def notifier(here: World) -> Iterator[Notifier]:
    """A running notifier, as in `up`."""
    made = Notifier()
    made.start()
    yield made
    made.stop()


def tell(user: User, number: int) -> None:
    notify(TEST.id, [user.id], labels={}, data={"number": number}, created_by="tests")


def messages(user: User, count: int) -> None:
    now = timezone.now()
    InboxNotification.objects.bulk_create(
        InboxNotification(
            user=user,
            template_id=TEST.id,
            title=f"Message {number:03}",
            content="It **happened**.",
            created_at=now - timedelta(hours=1, seconds=number),
        )
        for number in range(count)
    )


def popover(page: Page) -> None:
    page.locator("#bell").click()
    expect(page.locator("#bell-items")).to_be_visible()


def test_a_message_shows_within_a_second_without_reload(
    here: World, page_of: PageOf, notifier: Notifier
) -> None:
    page = page_of(here.stranger)
    page.goto("/templates")
    live(page)
    page.locator("#bell").click()
    expect(page.locator("#bell-pop")).to_contain_text("No notifications")
    tell(here.stranger, 0)
    tell(here.stranger, 1)  # the first of a process warms it up
    expect(page.locator("#bell-count .count")).to_have_text("2")
    began = time.monotonic()
    tell(here.stranger, 2)
    expect(page.locator("#bell-items > .inbox-item")).to_have_count(3, timeout=5_000)
    expect(page.locator("#bell-count .count")).to_have_text("3", timeout=5_000)
    assert time.monotonic() - began < 1.0
    expect(page.locator("#bell-items")).to_contain_text("A test notification")
    expect(page.get_by_role("button", name="View notification settings").first).to_be_visible()


def test_reading_lasts_and_can_be_taken_back(here: World, page_of: PageOf) -> None:
    page = page_of(here.owner)
    page.goto("/templates")
    live(page)
    popover(page)
    first = page.locator("#bell-items > .inbox-item").first
    first.get_by_role("button", name="Mark as read").click()
    expect(first).to_have_attribute("data-read", "")
    expect(page.locator("#bell-count .count")).to_have_text("1")
    page.reload()
    expect(page.locator("#bell-count .count")).to_have_text("1")
    popover(page)
    expect(first).to_have_attribute("data-read", "")
    first.get_by_role("button", name="Mark as unread").click()
    expect(page.locator("#bell-count .count")).to_have_text("2")
    page.get_by_role("button", name="Mark all as read").click()
    expect(page.locator("#bell-count .count")).to_have_count(0)
    expect(page.get_by_role("button", name="Mark all as read")).to_be_disabled()
    expect(page.locator("#bell-pop")).to_be_visible()
    assert not InboxNotification.objects.filter(user=here.owner, read_at=None).exists()


def test_a_button_of_a_message_marks_it_as_read_and_leads_on(here: World, page_of: PageOf) -> None:
    page = page_of(here.owner)
    page.goto("/workspaces")
    live(page)
    popover(page)
    page.get_by_role("button", name="View template version").first.click()
    page.wait_for_url("**/templates/coder/go-service/versions/v1")
    expect(page.locator("#bell-count .count")).to_have_text("1")


def test_more_are_loaded_and_stay(here: World, page_of: PageOf) -> None:
    messages(here.stranger, 50)
    page = page_of(here.stranger)
    page.goto("/templates")
    live(page)
    popover(page)
    items = page.locator("#bell-items > .inbox-item")
    expect(items).to_have_count(25)
    page.get_by_role("button", name="Load more").click()
    expect(items).to_have_count(50)
    expect(page.get_by_role("button", name="Load more")).to_have_count(0)
    assert len(set(items.locator(".spread strong").all_text_contents())) == 50
    # What was loaded stays when the list is fetched again.
    items.nth(30).get_by_role("button", name="Mark as read").click()
    expect(page.locator("#bell-count .count")).to_have_text("49")
    expect(items.nth(30)).to_have_attribute("data-read", "")
    expect(items).to_have_count(50)


@pytest.mark.parametrize("slow", ["look", "more"])
def test_a_look_beside_the_loading_of_more_takes_nothing_away(
    here: World, page_of: PageOf, slow: str
) -> None:
    """Whichever of the two answers comes last, both are seen."""
    messages(here.stranger, 50)
    page = page_of(here.stranger)
    with page.expect_response("**/inbox/count"):
        page.goto("/templates")
    live(page)
    popover(page)
    items = page.locator("#bell-items > .inbox-item")
    expect(items).to_have_count(25)
    held: list[Route] = []

    def hold(route: Route) -> None:
        is_more = "starting_before" in route.request.url
        if is_more == (slow == "more") and not held:
            held.append(route)
        else:
            route.continue_()

    page.route("**/inbox/latest**", hold)
    messages(here.stranger, 1)
    if slow == "look":
        publish(f"inbox:{here.stranger.pk}", {"kind": "new", "ids": []})
        until(lambda: page.evaluate("1") and held, "the look that is held up")
        page.get_by_role("button", name="Load more").click()
        expect(items).to_have_count(50)
    else:
        page.get_by_role("button", name="Load more").click()
        until(lambda: page.evaluate("1") and held, "the loading that is held up")
        with page.expect_response("**/inbox/latest**"):
            publish(f"inbox:{here.stranger.pk}", {"kind": "new", "ids": []})
        expect(items).to_have_count(25)
    held[0].continue_()
    expect(items).to_have_count(51)


def test_the_list_ends_at_a_link_and_loses_nothing(
    here: World, page_of: PageOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "MOST_IN_POPOVER", 50)
    messages(here.stranger, 60)
    page = page_of(here.stranger)
    page.goto("/templates")
    live(page)
    popover(page)
    items = page.locator("#bell-items > .inbox-item")
    expect(items).to_have_count(25)
    # One more: what is in sight stays in sight.
    messages(here.stranger, 1)
    publish(f"inbox:{here.stranger.pk}", {"kind": "new", "ids": []})
    expect(items).to_have_count(26)
    page.get_by_role("button", name="Load more").click()
    expect(items).to_have_count(50)
    expect(page.get_by_role("button", name="Load more")).to_have_count(0)
    page.get_by_role("button", name="Mark all as read").click()
    expect(page.locator("#bell-items > .inbox-item[data-read]")).to_have_count(50)
    expect(items).to_have_count(50)
    page.get_by_role("link", name="Older messages").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Inbox")


def test_a_cut_connection_comes_back_and_nothing_is_missed(
    here: World, page_of: PageOf, notifier: Notifier
) -> None:
    page = page_of(here.stranger)
    page.add_init_script(SOCKETS)
    with page.expect_response("**/inbox/count"):  # the look that follows the subscription: the last by itself
        page.goto("/templates")
    live(page)
    page.locator("#bell").click()
    expect(page.locator("#bell-pop")).to_contain_text("No notifications")
    page.evaluate("window.cut = true; window.sockets.forEach((socket) => socket.close())")
    expect(page.locator("[data-live-state]").first).not_to_have_text("Live")
    tell(here.stranger, 1)
    until(lambda: InboxNotification.objects.filter(user=here.stranger).exists(), "the message")
    # Attempts follow, and fail: the page learns nothing.
    until(lambda: page.evaluate("window.sockets.length") >= 3, "two more attempts")
    assert not page.evaluate("window.sockets.some((socket) => socket.readyState === WebSocket.OPEN)")
    expect(page.locator("#bell-count .count")).to_have_count(0)
    expect(page.locator("#bell-items > .inbox-item")).to_have_count(0)
    # The next attempt succeeds, and what was missed is listed without another event.
    page.evaluate("window.cut = false")
    expect(page.locator("#bell-count .count")).to_have_text("1", timeout=20_000)
    expect(page.locator("#bell-items > .inbox-item")).to_have_count(1)
    live(page)
    assert page.evaluate("window.sockets.at(-1).readyState === WebSocket.OPEN")
    tell(here.stranger, 2)
    expect(page.locator("#bell-items > .inbox-item")).to_have_count(2)


def test_a_look_that_failed_is_made_again_without_another_event(here: World, page_of: PageOf) -> None:
    page = page_of(here.stranger)
    with page.expect_response("**/inbox/count"):
        page.goto("/templates")
    live(page)
    page.route("**/inbox/count", lambda route: route.fulfill(status=503, body="away"))
    with page.expect_response("**/inbox/count"):
        messages(here.stranger, 1)
        publish(f"inbox:{here.stranger.pk}", {"kind": "new", "ids": []})
    page.unroute("**/inbox/count")
    expect(page.locator("#bell-count .count")).to_have_text("1", timeout=15_000)


def test_a_list_that_cannot_be_loaded_says_so_and_can_be_tried_again(here: World, page_of: PageOf) -> None:
    page = page_of(here.owner)
    with page.expect_response("**/inbox/count"):  # the look that follows the subscription: the last by itself
        page.goto("/templates")
    live(page)
    page.route("**/inbox/latest**", lambda route: route.fulfill(status=503, body="away"))
    page.locator("#bell").click()
    expect(page.get_by_role("alert").get_by_text("cannot be loaded")).to_be_visible()
    page.unroute("**/inbox/latest**")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#bell-items > .inbox-item")).to_have_count(3)
    expect(page.locator("#bell-failed")).to_have_count(0)


def test_the_popover_by_keyboard(here: World, page_of: PageOf) -> None:
    page = page_of(here.owner)
    page.goto("/templates")
    live(page)
    page.locator("#bell").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#bell-items")).to_be_visible()
    assert page.evaluate("document.getElementById('bell-pop').contains(document.activeElement)")
    page.keyboard.press("Escape")
    expect(page.locator("#bell-pop")).to_be_hidden()
    expect(page.locator("#bell")).to_be_focused()


def test_without_scripts_the_bell_leads_to_the_inbox(here: World, page_of: PageOf) -> None:
    page = page_of(here.owner, scripts=False)
    page.goto("/templates")
    expect(page.locator("#bell")).to_contain_text("2")
    page.locator("#bell").click()
    page.get_by_role("link", name="Open the inbox").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Inbox")
    page.locator("input[name=ids]").first.check()
    page.locator("#inbox-marks").get_by_role("button", name="Mark as read").click()
    expect(page.locator(".page-sentence")).to_contain_text("1 message is unread")


def test_names_that_look_like_markup_stay_text(here: World, page_of: PageOf) -> None:
    evil = "<img src=x onerror=window.ran=1> [x](javascript:window.ran=1)"
    InboxNotification.objects.create(
        user=here.stranger,
        template_id=TEST.id,
        title=evil,
        content=f"{evil}\n\n<script>window.ran=1</script>",
        actions=[{"label": evil, "url": "javascript:window.ran=1"}],
    )
    page = page_of(here.stranger)
    page.goto("/inbox")
    live(page)
    popover(page)
    for place in ("#bell-items", "#inbox-items"):
        expect(page.locator(f"{place} strong").first).to_contain_text("<img src=x")
        expect(page.locator(f"{place} img")).to_have_count(0)
    page.locator("#bell-items").get_by_role("button", name=evil, exact=True).click()
    page.wait_for_url("**/")
    assert page.evaluate("window.ran") is None
