"""``manage.py up``: everything in one command."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from coder_admin.operations.early import DEFAULT_HOST, DEFAULT_PORT
from coder_admin.operations.up import Application, Options, print_line


class Command(BaseCommand):
    """Parses the options; ``coder_admin.operations.up`` does the work."""

    help = "Start web server, reconciler, worker and notifier in one process; Ctrl-C stops them all."
    requires_system_checks = ()  # the checks have a command of their own, and start-up should be quick

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--host", default=DEFAULT_HOST, help=f"address to listen on (default {DEFAULT_HOST})"
        )
        parser.add_argument(
            "--port",
            type=int,
            default=DEFAULT_PORT,
            help=f"port; 0 takes a free one (default {DEFAULT_PORT})",
        )
        parser.add_argument(
            "--demo", action="store_true", help="add an organization with three demo templates"
        )
        # Read by manage.py before Django's settings; here for --help.
        parser.add_argument("--data", metavar="DIR", help="data folder (default ./data, or CODER_ADMIN_DATA)")

    def handle(self, *args: Any, **options: Any) -> None:
        Application(
            Options(host=options["host"], port=options["port"], demo=options["demo"]), say=print_line
        ).run()
