"""``manage.py notifier``: delivery of notifications as a process of its own."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from coder_admin.foundation.errors import Invalid
from coder_admin.foundation.metrics_port import add_metrics_arguments, metrics_served
from coder_admin.notifications.config import available_methods, is_paused
from coder_admin.notifications.dispatcher import Notifier


class Command(BaseCommand):
    """Any number may run beside each other, and beside `up`."""

    requires_system_checks = ()  # the checks have a command of their own
    help = "Deliver notifications until stopped (SIGTERM finishes what is under way)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_metrics_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            paused = is_paused()
            notifier = Notifier()
        except Invalid as error:
            raise CommandError(str(error)) from None
        except DatabaseError as error:
            raise CommandError(f"the database cannot be used: {error}. Is it running and migrated?") from None
        ended = threading.Event()

        def on_signal(number: int, frame: FrameType | None) -> None:
            ended.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, on_signal)
        with metrics_served(options):
            notifier.start()
            ways = ", ".join(("inbox", *available_methods()))
            self.stdout.write(f"Notifier {notifier.id} delivers by {ways}{'; paused' if paused else ''}.")
            self.stdout.flush()
            while not ended.wait(1.0):
                pass  # a signal that came just before a wait without end would not end it
            notifier.stop()
