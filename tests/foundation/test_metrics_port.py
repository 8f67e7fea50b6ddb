"""The figures of a command that serves no pages, on a port of its own."""

from __future__ import annotations

import socket
import urllib.request

import pytest
from django.core.management.base import CommandError
from prometheus_client import Counter

from coder_admin.foundation.metrics_port import metrics_served


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_own_and_further_figures_are_served_while_the_command_runs() -> None:
    port = free_port()
    more = Counter("tests_things", "Things.", registry=None)
    more.inc()
    with (
        metrics_served({"metrics_port": port, "metrics_host": "127.0.0.1"}, [more]),
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer,
    ):
        text = answer.read().decode()
    assert "tests_things_total 1.0" in text
    assert "python_info" in text  # the process's own registry
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5)


def test_without_a_port_nothing_is_served_and_a_taken_one_is_told() -> None:
    with metrics_served({"metrics_port": None, "metrics_host": "127.0.0.1"}):
        pass
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        options = {"metrics_port": taken.getsockname()[1], "metrics_host": "127.0.0.1"}
        with pytest.raises(CommandError, match="Choose another port"), metrics_served(options):
            pass
    with (
        pytest.raises(CommandError, match="Choose another port"),
        metrics_served({"metrics_port": 99_999, "metrics_host": "127.0.0.1"}),
    ):
        pass


@pytest.mark.parametrize("host", ["a" * 64, f"b.{'c' * 64}.example"])
def test_a_host_that_no_name_can_be_is_told(host: str) -> None:
    with (
        pytest.raises(CommandError, match=r"cannot be had.*Choose another port or address"),
        metrics_served({"metrics_port": 0, "metrics_host": host}),
    ):
        pass
