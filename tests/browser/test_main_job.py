"""A person's first minutes: sign in, watch the pool fill, create a workspace, see it running."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.scenarios.application import PASSWORD, running

pytestmark = [
    pytest.mark.browser,
    pytest.mark.scenario,
    pytest.mark.timeout(240),
    pytest.mark.xdist_group("scenario"),
]


def test_sign_in_watch_the_pool_fill_create_and_see_it_run(browser: Browser, tmp_path: Path) -> None:
    # One job at a time, so that there is a filling to watch.
    with running(tmp_path, "--demo", CODER_ADMIN_PROVISIONER_CONCURRENCY="1") as app:
        context = browser.new_context(base_url=app.address, viewport={"width": 1280, "height": 800})
        context.set_default_timeout(20_000)
        page = context.new_page()
        sign_in(page)

        # Live: the counts change on the page that is open, nobody reloads it.
        loaded = page.evaluate("performance.timeOrigin")
        expect(page.get_by_text(re.compile(r"Full: 1 ready of 1 wanted")).first).to_be_visible(timeout=60_000)
        expect(page.get_by_text("All pools are as wanted.")).to_be_visible(timeout=60_000)
        assert page.evaluate("performance.timeOrigin") == loaded

        page.goto("/templates/demo/scratchpad/workspace")
        page.get_by_label("Name").fill("first-steps")
        page.get_by_role("button", name="Create workspace").click()
        page.wait_for_url("**/@admin/first-steps**")
        expect(page.get_by_role("heading", name="first-steps")).to_be_visible()
        expect(page.get_by_text("Running", exact=True).first).to_be_visible(timeout=30_000)
        expect(page.get_by_text("Ready", exact=True).first).to_be_visible(timeout=30_000)

        # Its log tells the claim, and the overview counts it.
        page.goto("/@admin/first-steps/builds/2")
        expect(page.get_by_role("log")).to_contain_text("coder_agent.main")
        page.goto("/")
        expect(page.get_by_text("claims in 24 h")).to_be_visible()
        context.close()


def sign_in(page: Page) -> None:
    """Through the form, as a person does."""
    page.goto("/login")
    page.get_by_label("Username or e-mail").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")
