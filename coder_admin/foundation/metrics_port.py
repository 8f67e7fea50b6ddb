"""``/metrics`` of a command that serves no pages: its own figures on a port of its own."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.core.management.base import CommandError
from prometheus_client import REGISTRY, CollectorRegistry, start_http_server
from prometheus_client.registry import Collector


def add_metrics_arguments(parser: ArgumentParser) -> None:
    """The options that :func:`metrics_served` reads."""
    parser.add_argument(
        "--metrics-port",
        type=int,
        metavar="PORT",
        help="serve /metrics of this process there (off by default)",
    )
    parser.add_argument(
        "--metrics-host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address of that port, without login (default: 127.0.0.1)",
    )


@contextmanager
def metrics_served(options: dict[str, Any], more: Sequence[Collector] = ()) -> Iterator[None]:
    """Serve the process's registry and ``more`` while the block runs, if a port is asked for.

    Raises CommandError for a port that cannot be had.
    """
    host, port = options["metrics_host"], options["metrics_port"]
    if port is None:
        yield
        return
    registry = CollectorRegistry(auto_describe=False)
    for collector in (REGISTRY, *more):
        registry.register(collector)
    try:
        server, thread = start_http_server(port, host, registry)
    except (OSError, OverflowError, UnicodeError) as error:
        raise CommandError(
            f"--metrics-port {port} on {host} cannot be had: {error}. Choose another port or address."
        ) from None
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
