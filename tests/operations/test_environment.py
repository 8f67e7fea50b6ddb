"""Durations and numbers of the settings: what is read, what is refused and in which words."""

from __future__ import annotations

import re

import pytest
from django.core.exceptions import ImproperlyConfigured

from coder_admin.settings.environment import Environment


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90.0),
        (" 90 ", 90.0),
        ("0", 0.0),
        ("0.25", 0.25),
        (".5", 0.5),
        ("1m", 60.0),
        ("1h30m", 5400.0),
        ("1m30s", 90.0),
        ("500ms", 0.5),
        ("1.5h", 5400.0),
        ("250us", 0.00025),
        ("8784h", 8784 * 3600.0),
    ],
)
def test_a_duration_is_seconds_or_what_go_writes(
    monkeypatch: pytest.MonkeyPatch, text: str, seconds: float
) -> None:
    monkeypatch.setenv("X_PERIOD", text)
    assert Environment().duration("X_PERIOD", default=7.0) == pytest.approx(seconds)


def test_a_duration_that_is_not_set_is_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("X_PERIOD", raising=False)
    assert Environment().duration("X_PERIOD", default=7.5) == 7.5


@pytest.mark.parametrize(
    "text",
    [
        "", "1e12", "1e3", "nan", "inf", "1_000", "1,5", "3,600", "٣", "1 h", "1d", "h", "1h30", "abc", "-5",
        "-1m", "8785h", "31622401", "9" * 5000, "9" * 5000 + "h", "1.2.3", ".", "-",
    ],
)  # fmt: skip
def test_anything_else_is_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("X_PERIOD", text)
    with pytest.raises(ImproperlyConfigured) as refusal:
        Environment().duration("X_PERIOD", default=7.0)
    shown = text if len(text) < 50 else text[:39] + "…"
    assert str(refusal.value) == (
        f'X_PERIOD is "{shown}"; set it to a duration of at least 0 and at most 8784h (a year): '
        "seconds (90), or numbers with units (1h30m, 500ms)."
    )


@pytest.mark.parametrize("text", ["0", "0s", "-1s", "0.0"])
def test_a_duration_may_have_to_be_more_than_nothing(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("X_PERIOD", text)
    with pytest.raises(ImproperlyConfigured, match=r"X_PERIOD is .* a duration greater than 0 and at most"):
        Environment().duration("X_PERIOD", default=7.0, above=0)


@pytest.mark.parametrize("text", ["", "3x", "1e3", "2.0", "1_000", "٣", "-1", "2147483648", "9" * 5000])
def test_a_count_is_read_strictly(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("X_COUNT", text)
    with pytest.raises(ImproperlyConfigured, match=r'X_COUNT is "[^"]*"; set it to a whole number from 0 to'):
        Environment().count("X_COUNT", default=3)


def test_a_count_has_bounds_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X_COUNT", " 12 ")
    assert Environment().count("X_COUNT", default=3) == 12
    with pytest.raises(ImproperlyConfigured, match=re.escape("a whole number from 1 to 9.")):
        Environment().count("X_COUNT", default=3, least=1, most=9)


@pytest.mark.parametrize("value", ["٣", "9" * 5000, "2147483648", "-1", ""])
def test_limits_are_read_strictly(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("X_LIMITS", f"memory={value}")
    with pytest.raises(ImproperlyConfigured, match="X_LIMITS cannot be read: write name=number"):
        Environment().counts("X_LIMITS")


@pytest.mark.parametrize("default", [True, False])
@pytest.mark.parametrize(
    ("text", "on"),
    [
        ("true", True),
        ("YES", True),
        ("1", True),
        (" on ", True),
        ("False", False),
        ("0", False),
        ("off", False),
    ],
)
def test_a_switch_is_one_of_a_few_words(
    monkeypatch: pytest.MonkeyPatch, text: str, on: bool, default: bool
) -> None:
    monkeypatch.setenv("X_ON", text)
    assert Environment().switch("X_ON", default=default) is on


@pytest.mark.parametrize("default", [True, False])
def test_a_switch_that_is_set_to_nothing_is_its_default(
    monkeypatch: pytest.MonkeyPatch, default: bool
) -> None:
    monkeypatch.setenv("X_ON", "")
    assert Environment().switch("X_ON", default=default) is default
    monkeypatch.delenv("X_ON")
    assert Environment().switch("X_ON", default=default) is default


@pytest.mark.parametrize("text", ["sure", "2", "t r u e", "wahr"])
def test_a_switch_refuses_other_words(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("X_ON", text)
    with pytest.raises(ImproperlyConfigured, match=r"X_ON is .*; set it to true or false"):
        Environment().switch("X_ON", default=True)
