"""Options that settings must know: moved out of the command line before Django reads it."""

from __future__ import annotations

import pytest

from coder_admin.operations.early import apply_early_options, is_loopback, reachable


@pytest.mark.parametrize("arguments", [["--data", "/srv/x"], ["--data=/srv/x"]])
def test_data_moves_into_the_environment(arguments: list[str]) -> None:
    environ: dict[str, str] = {}
    rest = apply_early_options(["manage.py", "migrate", *arguments, "--verbosity", "0"], environ)
    assert rest == ["manage.py", "migrate", "--verbosity", "0"]
    assert environ["CODER_ADMIN_DATA"] == "/srv/x"


def test_data_without_a_folder_is_left_for_the_parser_to_refuse() -> None:
    environ: dict[str, str] = {}
    assert apply_early_options(["manage.py", "up", "--data"], environ)[-1] == "--data"
    assert "CODER_ADMIN_DATA" not in environ


@pytest.mark.parametrize(
    ("arguments", "opened"),
    [
        (["up"], True),
        (["up", "--host", "127.0.0.2"], True),
        (["up", "--host=0.0.0.0"], False),
        (["up", "--host", "192.0.2.7"], False),
        (["migrate"], False),
    ],
)
def test_metrics_open_only_where_nobody_else_can_ask(arguments: list[str], opened: bool) -> None:
    environ: dict[str, str] = {}
    apply_early_options(["manage.py", *arguments], environ)
    assert ("CODER_ADMIN_METRICS_OPEN" in environ) is opened


def test_a_wish_in_the_environment_beats_the_default() -> None:
    environ = {"CODER_ADMIN_METRICS_OPEN": "false"}
    apply_early_options(["manage.py", "up"], environ)
    assert environ["CODER_ADMIN_METRICS_OPEN"] == "false"


@pytest.mark.parametrize(
    ("host", "name"),
    [("0.0.0.0", "127.0.0.1"), ("::", "127.0.0.1"), ("::1", "[::1]"), ("example.com", "example.com")],
)
def test_agents_are_told_an_address_they_can_reach(host: str, name: str) -> None:
    assert reachable(host) == name


def test_loopback_names() -> None:
    assert is_loopback("localhost")
    assert is_loopback("127.8.0.1")
    assert not is_loopback("10.0.0.1")
