"""Search texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coder_admin.foundation.errors import Invalid
from coder_admin.foundation.search import parse_terms

KEYS = ("name", "status")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("  ", {}),
        ("abc", {"name": ("abc",)}),
        ("abc def", {"name": ("abc def",)}),
        ("status:ok", {"status": ("ok",)}),
        ("STATUS:Ok", {"status": ("Ok",)}),
        ("status:a status:b", {"status": ("a", "b")}),
        ('status:"two words" x', {"status": ("two words",), "name": ("x",)}),
        ('"a:b"', {"name": ("a:b",)}),
        ('status:"a:b"', {"status": ("a:b",)}),
    ],
)
def test_terms(text: str, expected: dict[str, tuple[str, ...]]) -> None:
    assert dict(parse_terms(text, keys=KEYS, default="name").values) == expected


@pytest.mark.parametrize("text", ["status:", ":x", "a:b:c", "status:a:b", '"open', "colour:red", "x" * 1001])
def test_malformed(text: str) -> None:
    with pytest.raises(Invalid):
        parse_terms(text, keys=KEYS, default="name")


@given(st.text(max_size=60))
def test_any_text_parses_or_is_refused(text: str) -> None:
    refusal = None
    try:
        terms = parse_terms(text, keys=KEYS, default="name")
    except Invalid as error:
        refusal = error
    if refusal is not None:
        assert refusal.validations
    else:
        assert set(terms.values) <= set(KEYS)
