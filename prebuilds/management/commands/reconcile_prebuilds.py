"""`manage.py reconcile_prebuilds`: the loop as a process of its own, one pass, or only what it would do."""

from __future__ import annotations

import signal
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error
from django.utils import timezone

from coder_admin.foundation.errors import ServiceError
from coder_admin.foundation.metrics_port import add_metrics_arguments, metrics_served
from prebuilds.exchange import explain_all
from prebuilds.leader import LeadLost
from prebuilds.metrics import RECONCILER_COLLECTORS
from prebuilds.passes import MembershipError, reconcile_once
from prebuilds.reconciler import Reconciler
from prebuilds.situation import current_situation


class Command(BaseCommand):
    """Parses the options; `prebuilds.reconciler` and `prebuilds.passes` do the work."""

    help = "Keep the pools of prebuilt workspaces at their size. Several may run: one leads at a time."

    def add_arguments(self, parser: ArgumentParser) -> None:
        mode = parser.add_mutually_exclusive_group()
        mode.add_argument("--once", action="store_true", help="run one pass and end")
        mode.add_argument(
            "--dry-run", action="store_true", help="say what a pass would do now, and change nothing"
        )
        parser.add_argument(
            "--interval", type=float, metavar="SECONDS", help="period of the loop (default: the setting, 60)"
        )
        add_metrics_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        interval = options["interval"]
        if interval is not None and not 0 < interval <= 86_400:
            raise CommandError("--interval must be more than 0 and at most 86400 seconds.")
        if options["dry_run"]:
            self._dry_run()
        elif options["once"]:
            self._once()
        else:
            with metrics_served(options, RECONCILER_COLLECTORS):
                self._loop(interval)

    def _dry_run(self) -> None:
        explanations = explain_all(current_situation(timezone.now()))
        for told in explanations:
            preset = told.preset
            name = f"{preset.template_name} {preset.template_version_name}: {preset.name}"
            self.stdout.write(f"{name}\n" + "".join(f"  {sentence}\n" for sentence in told.why))
        if not explanations:
            self.stdout.write("No preset keeps a pool.")

    def _once(self) -> None:
        try:
            stats = reconcile_once()
        except (MembershipError, ServiceError) as error:
            raise CommandError(str(error)) from error
        except LeadLost as error:
            raise CommandError(
                f"Another reconciler may lead by now: {error}. What was begun before is stored; "
                "run the command again."
            ) from error
        except Error as error:
            reason = next(iter(str(error).splitlines()), "") or type(error).__name__
            raise CommandError(
                f"The database failed during the pass: {reason}. What was begun before is stored; "
                "see that the database answers and run the command again."
            ) from error
        if not stats.led:
            self.stdout.write("Another reconciler leads; nothing was done.")
        elif stats.paused:
            self.stdout.write("Prebuilds are paused; nothing was done.")
        else:
            self.stdout.write(
                f"{stats.presets_reconciled} of {stats.presets_total} presets reconciled in "
                f"{stats.elapsed:.3f} s: {stats.created} created, {stats.deleted} deleted, "
                f"{stats.canceled} cancelled, {len(stats.errors)} errors."
            )
        if stats.errors:
            raise CommandError("; ".join(stats.errors))

    def _loop(self, interval: float | None) -> None:
        reconciler = Reconciler(interval)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: reconciler.close())
        reconciler.run()
