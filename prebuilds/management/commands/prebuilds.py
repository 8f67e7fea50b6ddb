"""`manage.py prebuilds …`: pause and resume all pools; reset, invalidate or build one of a preset."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from coder_admin.catalog.models import TemplateVersionPreset
from coder_admin.foundation.errors import ServiceError
from prebuilds import services
from prebuilds.selectors import presets_named
from rbac import Subject, SystemSubject, acting_as

DEPLOYMENT = ("pause", "resume")


class Command(BaseCommand):
    """Parses the words; `prebuilds.services` does the work."""

    help = (
        "Pause or resume the reconciliation of prebuilt workspaces in the whole deployment; or reset a "
        "preset that was stopped after failures, invalidate its prebuilds, or build one prebuild now."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        for name, text in (
            ("pause", "stop creating, deleting and cancelling prebuilds everywhere"),
            ("resume", "go on with it"),
        ):
            actions.add_parser(name, help=text)
        for name, text in (
            ("reset", "clear a preset's status and forgive its failures"),
            ("invalidate", "let a preset's waiting prebuilds count as expired"),
            ("build-one", "begin one prebuild whatever backoff, limit or pause say"),
        ):
            actions.add_parser(name, help=text).add_argument(
                "preset",
                metavar="TEMPLATE/PRESET",
                help="or ORGANIZATION/TEMPLATE/PRESET, or the preset's id",
            )

    def handle(self, *args: Any, **options: Any) -> None:
        action = options["action"]
        reason = f"an operator ran `manage.py prebuilds {action}` on the server"
        try:
            if action in DEPLOYMENT:
                with acting_as(SystemSubject.SYSTEM_RESTRICTED, reason=reason) as actor:
                    said = _deployment(actor, action)
            else:
                preset = _named(options["preset"])
                with acting_as(SystemSubject.PREBUILDS_ORCHESTRATOR, reason=reason) as actor:
                    said = _preset(actor, action, preset)
        except ServiceError as error:
            raise CommandError(str(error)) from error
        self.stderr.write(said)


def _deployment(actor: Subject, action: str) -> str:
    paused = action == "pause"
    changed = services.settings_update(actor=actor, reconciliation_paused=paused)
    return f"Prebuilds are {'paused' if paused else 'running'}{'' if changed else ' already'}."


def _preset(actor: Subject, action: str, preset: TemplateVersionPreset) -> str:
    match action:
        case "reset":
            services.preset_reset(actor=actor, preset=preset)
            return f"Preset {preset.name} is tried again."
        case "invalidate":
            services.preset_invalidate(actor=actor, preset=preset)
            return f"The prebuilds of preset {preset.name} count as expired."
        case _:
            build = services.preset_build_one(actor=actor, preset=preset)
            return f"Prebuild {build.workspace.name} of preset {preset.name} is on the way."


def _named(text: str) -> TemplateVersionPreset:
    found = presets_named(text)
    if not found:
        raise CommandError(
            f'No preset "{text}" on the active version of a template. Write TEMPLATE/PRESET, '
            "ORGANIZATION/TEMPLATE/PRESET or the preset's id."
        )
    if len(found) > 1:
        raise CommandError(
            f'Several organizations have a preset "{text}". Write ORGANIZATION/TEMPLATE/PRESET.'
        )
    return found[0]
