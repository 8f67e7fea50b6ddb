"""``manage.py provisioner``: a worker as a process of its own."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from coder_admin.foundation.errors import ServiceError
from coder_admin.provisioning.tags import TagError, parse
from coder_admin.provisioning.worker import Worker


class Command(BaseCommand):
    """SIGTERM drains: running jobs may finish; a second signal gives them back to the queue."""

    requires_system_checks = ()  # the checks have a command of their own, and a worker should start quickly
    help = "Run provisioner jobs whose tags match, until stopped (SIGTERM drains)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tags", default="", help="name=value,name=value; none takes untagged jobs only")
        parser.add_argument(
            "--concurrency",
            type=int,
            default=settings.PROVISIONER_CONCURRENCY,
            help=f"jobs at a time (default {settings.PROVISIONER_CONCURRENCY})",
        )
        parser.add_argument("--name", default="", help="shown in lists (default: host name and process id)")
        parser.add_argument(
            "--drain-seconds", type=float, default=600.0, help="how long running jobs may take to finish"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            worker = Worker(parse(options["tags"]), options["concurrency"], name=options["name"])
            worker.start()
        except (TagError, ValueError, ServiceError) as error:
            raise CommandError(str(error)) from None
        except DatabaseError as error:
            raise CommandError(f"the database cannot be used: {error}. Is it running and migrated?") from None
        drain, hurry = threading.Event(), threading.Event()

        def on_signal(number: int, frame: FrameType | None) -> None:
            (hurry if drain.is_set() else drain).set()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, on_signal)
        self.stdout.write(f"Provisioner {worker.name} runs up to {worker.concurrency} jobs; SIGTERM drains.")
        self.stdout.flush()
        while not drain.wait(1.0):
            pass  # a signal that came just before a wait without end would not end it
        self.stdout.write(f"Draining: {worker.busy} jobs left.")

        def hasten() -> None:
            hurry.wait()
            worker.interrupt()

        threading.Thread(target=hasten, daemon=True).start()
        worker.stop(grace=options["drain_seconds"], interrupt=False)
