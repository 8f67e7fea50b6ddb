"""Paging is bounded and refuses what is no number."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coder_admin.foundation.errors import Invalid
from coder_admin.foundation.pagination import MAXIMUM_LIMIT, Page, bounds


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, (25, 0)),
        ({"limit": "0"}, (25, 0)),
        ({"limit": "7", "offset": "14"}, (7, 14)),
        ({"limit": "100000"}, (MAXIMUM_LIMIT, 0)),
        ({"limit": "", "offset": ""}, (25, 0)),
    ],
)
def test_bounds(query: dict[str, str], expected: tuple[int, int]) -> None:
    assert bounds(query) == expected


@pytest.mark.parametrize("text", ["-1", "1.5", "x", " 1", "١", "99999999999", "1e3"])
def test_what_is_no_number_is_named(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        bounds({"limit": text, "offset": text})
    assert {validation.field for validation in refused.value.validations} == {"limit", "offset"}


@given(count=st.integers(0, 500), limit=st.integers(1, 100), offset=st.integers(0, 600))
def test_following_next_ends(count: int, limit: int, offset: int) -> None:
    page: Page[Any] = Page(items=[], count=count, limit=limit, offset=offset)
    steps = 0
    while page.next_offset is not None:
        assert page.next_offset > page.offset
        page = Page(items=[], count=count, limit=limit, offset=page.next_offset)
        steps += 1
    assert steps <= count
    assert page.previous_offset is None or page.previous_offset < page.offset
