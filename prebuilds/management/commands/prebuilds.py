"""`manage.py prebuilds pause|resume`: stop and restart all pools."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from prebuilds.services import settings_update
from rbac import SystemSubject, acting_as


class Command(BaseCommand):
    """Parses the words; `prebuilds.services` does the work."""

    help = "Pause or resume the reconciliation of prebuilt workspaces in the whole deployment."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=("pause", "resume"))

    def handle(self, *args: Any, **options: Any) -> None:
        paused = options["action"] == "pause"
        reason = f"an operator ran `manage.py prebuilds {options['action']}` on the server"
        with acting_as(SystemSubject.SYSTEM_RESTRICTED, reason=reason) as actor:
            changed = settings_update(actor=actor, reconciliation_paused=paused)
        state = "paused" if paused else "running"
        self.stderr.write(f"Prebuilds are {state}{'' if changed else ' already'}.")
