"""No page has a violation that axe finds, in either theme; none is wider than its window."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.dashboard.test_pages import addresses
from tests.dashboard.world import World

from .conftest import PageOf

pytestmark = pytest.mark.browser

PAGES = (
    "overview",
    "search",
    "inbox",
    "notification settings",
    "deliveries",
    "notification methods",
    "workspaces",
    "templates",
    "prebuilds",
    "people",
    "groups",
    "quota",
    "access",
    "audit",
    "template permissions",
    "workspace sharing",
    "workspace",
    "workspace builds",
    "workspace parameters",
    "build",
    "template",
    "versions",
    "version",
    "version preview",
    "version files",
    "preset",
    "create",
    "new template",
    "jobs",
    "admin",
)
PEOPLE = (
    "/account",
    "/account/tokens",
    "/account/sessions",
    "/organizations",
    "/organizations/new",
    "/organizations/coder",
    "/organizations/coder/members",
    "/organizations/coder/members/mia",
    "/organizations/coder/groups",
    "/organizations/coder/groups/new",
    "/organizations/coder/roles",
    "/organizations/coder/roles/new",
    "/organizations/coder/identity",
    "/identity",
    "/people/users",
    "/people/users/new",
    "/people/users/mia",
)
CLOCKS = ("/@mia/dev-1/schedule", "/@mia/dev-1/version", "/templates/coder/go-service/settings")
STANDARD = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
EVERY_RULE = {"runOnly": {"type": "tag", "values": STANDARD}, "preload": False}
# What a theme can break; everything else is the same markup in both.
CONTRAST = {"runOnly": {"type": "rule", "values": ["color-contrast"]}, "preload": False}


PARTS = ("work", "people")


def pages_of(part: str, here: World) -> dict[str, str]:
    """Address by name; in two parts, since axe takes a second a page."""
    if part == "people":
        return {url: url for url in (*PEOPLE, *CLOCKS)}
    return {name: addresses(here)[name] for name in PAGES}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(("theme", "rules"), [("light", EVERY_RULE), ("dark", CONTRAST)])
def test_no_page_has_a_violation(
    here: World, page_of: PageOf, theme: str, rules: dict[str, Any], part: str
) -> None:
    page = page_of(here.owner, theme=theme)
    page.emulate_media(reduced_motion="reduce")  # axe would read a colour in the middle of its change
    found = []
    for name, url in pages_of(part, here).items():
        page.goto(url)
        answer = Axe().run(page, options=rules)
        for violation in answer.response["violations"]:
            where = violation["nodes"][0]
            found.append(f"{name}: {violation['id']}: {where['html'][:200]}: {where['failureSummary'][:300]}")
    assert found == []


def test_the_sign_in_page_has_no_violation(here: World, page_of: PageOf) -> None:
    page = page_of(None)
    page.goto("/login")
    assert Axe().run(page, options=EVERY_RULE).response["violations"] == []


@pytest.mark.parametrize("part", PARTS)
def test_no_page_is_wider_than_its_window(here: World, page_of: PageOf, part: str) -> None:
    width = 360
    page = page_of(here.owner, width=width)
    wide = []
    for name, url in pages_of(part, here).items():
        page.goto(url)
        needed = page.evaluate("document.documentElement.scrollWidth")
        if needed > width:
            wide.append(f"{name}: {needed}")
    assert wide == []
