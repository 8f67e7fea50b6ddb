"""``manage.py read_plan FILE``: what builds read from a plan or state of Terraform, as JSON."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from coder_admin.provisioning.engines.terraform.results import planned_resources, resources
from coder_admin.provisioning.plan_contents import contents_of
from coder_admin.provisioning.plans import PlanError, read_plan, read_state, replacements


class Command(BaseCommand):
    """Prints ``parameters``, ``presets``, ``tags``, ``resources``, ``replacements`` and ``outputs``."""

    requires_system_checks = ()
    help = "Show what is read from the output of `terraform show -json` of a plan or a state."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="the JSON; - reads standard input")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            text = sys.stdin.read() if options["file"] == "-" else Path(options["file"]).read_text()
            found = self._read(text)
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{options['file']} cannot be read: {error}") from None
        except PlanError as error:
            raise CommandError(f"{options['file']}: {error}") from None
        self.stdout.write(json.dumps(found, indent=2, ensure_ascii=False, default=str))

    def _read(self, text: str) -> dict[str, Any]:
        plan = read_plan(text)
        if not (plan.changes or plan.planned or plan.prior):
            state = read_state(text)
            return {"resources": [asdict(r) for r in resources(state)], "outputs": dict(state.outputs)}
        return {
            **asdict(contents_of(plan)),
            "resources": [asdict(r) for r in planned_resources(plan)],
            "replacements": replacements(plan.changes),
            "outputs": dict(plan.outputs),
        }
