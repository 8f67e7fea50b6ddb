"""A Chromium, and pages of the running application in it.

The tests are skipped where there is no Chromium, except in CI: there its absence is a failure.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.core.cache import cache
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from coder_admin.organizations.browser_sessions import SessionStore
from coder_admin.organizations.models import User
from tests.dashboard.world import World, world
from tests.serving import serving

if TYPE_CHECKING:
    from playwright._impl._api_structures import SetCookieParam

# A busy machine is slow; what is promised within a time is measured by its test.
expect.set_options(timeout=15_000)

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def _chromium() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found and Path(found).exists():
            return found
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail("CI must have Chromium: install the package chromium.")
    pytest.skip("no Chromium is installed, so the browser tests are skipped; install chromium to run them")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for a module's tests.

    Playwright keeps an event loop running in this thread as long as it lives. So it ends with the module,
    before other rooms run loops of their own, and meanwhile Django may make rows beside a running loop.
    """
    path = _chromium()
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        made = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield made
        made.close()


@pytest.fixture
def here(transactional_db: None) -> World:
    cache.clear()
    return world()


@pytest.fixture
def address(here: World) -> Iterator[str]:
    """Where the application runs, with the world's rows."""
    with serving() as url:
        yield url


def session_cookie(user: User, url: str) -> SetCookieParam:
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return {"name": settings.SESSION_COOKIE_NAME, "value": str(session.session_key), "url": url}


class Watched:
    """A page and everything it complained about: script errors and what the policy forbade."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))
        page.on(
            "console",
            lambda message: (
                self.complaints.append(f"{page.url}: {message.text}")
                if message.type == "error" and "Content Security Policy" in message.text
                else None
            ),
        )


PageOf = Callable[..., Page]


@pytest.fixture
def page_of(browser: Browser, address: str) -> Iterator[PageOf]:
    """`page_of(user, width=…, theme=…, scripts=…)`: a page of somebody who is signed in.

    At the end of the test no page may have complained.
    """
    contexts: list[BrowserContext] = []
    watched: list[Watched] = []

    def make(user: User | None, *, width: int = 1280, theme: str = "", scripts: bool = True) -> Page:
        context = browser.new_context(
            base_url=address, viewport={"width": width, "height": 800}, java_script_enabled=scripts
        )
        contexts.append(context)
        if user is not None:
            context.add_cookies([session_cookie(user, address)])
        if theme:
            context.add_cookies([{"name": "theme", "value": theme, "url": address}])
        context.set_default_timeout(10_000)
        page = context.new_page()
        watched.append(Watched(page))
        return page

    yield make
    for context in contexts:
        context.close()
    assert [complaint for one in watched for complaint in one.complaints] == []
