"""The timeline of a pool by keyboard: each column says its numbers and leads to its row."""

from __future__ import annotations

import pytest

from tests.dashboard.test_pages import addresses
from tests.dashboard.world import World

from .conftest import PageOf

pytestmark = pytest.mark.browser


def test_a_column_reads_its_numbers_and_leads_to_its_row(here: World, page_of: PageOf) -> None:
    page = page_of(here.owner)
    page.goto(addresses(here)["preset"])
    column = page.locator(".timeline a").nth(1)
    column.focus()
    assert "wanted" in (column.get_attribute("aria-label") or "")
    row = page.locator("#slot-1")
    assert not row.is_visible()
    page.keyboard.press("Enter")
    row.wait_for(state="visible")
    assert row.locator("td").count() == 6
