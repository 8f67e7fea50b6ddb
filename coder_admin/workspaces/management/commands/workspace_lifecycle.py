"""``manage.py workspace_lifecycle``: autostart, autostop, dormancy, failure TTL as a process."""

from __future__ import annotations

import signal
from argparse import ArgumentParser
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from coder_admin.foundation.metrics_port import add_metrics_arguments, metrics_served
from coder_admin.workspaces.lifecycle_loop import LifecycleExecutor


class Command(BaseCommand):
    """Several may run: one at a time works, the others stand by."""

    requires_system_checks = ()  # the checks have a command of their own
    help = "Start, stop, put to sleep and delete workspaces as their schedules and templates say."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="one pass, then end")
        parser.add_argument(
            "--interval",
            type=float,
            default=settings.LIFECYCLE_INTERVAL_SECONDS,
            help=f"seconds between passes (default {settings.LIFECYCLE_INTERVAL_SECONDS:g})",
        )
        add_metrics_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["interval"] <= 0:
            raise CommandError("--interval must be above 0 seconds.")
        executor = LifecycleExecutor(options["interval"])
        if options["once"]:
            self._once(executor)
            return

        def on_signal(number: int, frame: FrameType | None) -> None:
            executor.close()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, on_signal)
        with metrics_served(options):
            self.stdout.write(f"Looking every {options['interval']:g} s; SIGTERM ends.")
            self.stdout.flush()
            executor.run()

    def _once(self, executor: LifecycleExecutor) -> None:
        try:
            found = executor.once()
        except DatabaseError as error:
            raise CommandError(f"the database cannot be used: {error}. Is it running and migrated?") from None
        if found is None:
            raise CommandError("another process does this at the moment. Try again in a minute.")
        for workspace_id, step in found.done:
            self.stdout.write(f"{workspace_id} {step.value}")
        for workspace_id, why in found.refused.items():
            self.stderr.write(f"{workspace_id} refused: {why}")
        self.stdout.write(f"{len(found.done)} done, {len(found.refused)} refused.")
