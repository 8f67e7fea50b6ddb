"""`manage.py prebuilds_explain`: what a pass would do, and why; of the database or of a snapshot file."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from prebuilds.exchange import (
    Situation,
    SnapshotError,
    explain_all,
    explanations_to_json,
    parse_instant,
    situation_from_json,
)


class Command(BaseCommand):
    """Reads, explains and prints; with a file no database is needed."""

    help = "Say for each preset with prebuilds its state, what the reconciler would do, and why."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--snapshot",
            type=Path,
            metavar="FILE",
            help="output of prebuilds_snapshot; - reads standard input",
        )
        parser.add_argument("--now", metavar="ISO", help="judge as of this instant, with an offset")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            situation = _situation(options["snapshot"], options["now"])
        except SnapshotError as error:
            raise CommandError(str(error)) from error
        explanations = explain_all(situation)
        if options["json"]:
            self.stdout.write(json.dumps(explanations_to_json(explanations), indent=2))
            return
        for told in explanations:
            preset = told.preset
            name = " / ".join(part for part in (preset.template_name, preset.name) if part) or preset.id
            self.stdout.write(f"{name}\n" + "".join(f"  {sentence}\n" for sentence in told.why))


def _situation(file: Path | None, now: str | None) -> Situation:
    instant = parse_instant(now) if now else None
    moment = instant or timezone.now()
    if file is None:
        from prebuilds.situation import current_situation

        return current_situation(moment)
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8-sig")
        value = json.loads(text)
    except OSError as error:
        raise SnapshotError(f"cannot read {file}: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise SnapshotError(f"{file} is not JSON: {error}.") from error
    situation = situation_from_json(value, default_now=moment)
    return replace(situation, now=instant) if instant else situation
