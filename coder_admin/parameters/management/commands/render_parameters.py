"""``manage.py render_parameters DIR``: the form of a folder, for template authors. Needs no database."""

from __future__ import annotations

import contextlib
import json
import time
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from coder_admin.foundation.errors import Invalid
from coder_admin.parameters import authoring
from coder_admin.parameters.model import Output
from coder_admin.parameters.owner import DEFAULT_OWNER

LOOK_EVERY = 0.3
_FILES = ("values", "owner", "plan", "previous")


class Command(BaseCommand):
    """Parses the options; ``coder_admin.parameters.authoring`` does the work."""

    help = "Render a folder's parameters, presets and tags. Exit code 1 if there is a top-level error."
    requires_system_checks = ()
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", metavar="DIR", type=Path, help="folder with the template's .tf files")
        parser.add_argument("--values", type=Path, metavar="FILE", help="JSON object: parameter name to text")
        parser.add_argument("--owner", type=Path, metavar="FILE", help="JSON object: the owner's attributes")
        parser.add_argument("--plan", type=Path, metavar="FILE", help="JSON of `terraform show -json`")
        parser.add_argument(
            "--previous", type=Path, metavar="FILE", help="JSON object: the last build's values"
        )
        parser.add_argument(
            "--var", action="append", default=[], metavar="NAME=VALUE", help="a variable's value"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON document")
        parser.add_argument("--watch", action="store_true", help="render again whenever a file changes")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["watch"]:
            output = self._render(options)
            if output.errors:
                raise SystemExit(1)
            return
        watched = [options["folder"], *(options[name] for name in _FILES if options[name])]
        with contextlib.suppress(KeyboardInterrupt):
            for _ in _changes(watched):
                try:
                    self._render(options)
                except Invalid as problem:
                    self.stderr.write(str(problem))

    def _render(self, options: dict[str, Any]) -> Output:
        given = {name: options[name] for name in _FILES}
        output = authoring.render_folder(
            authoring.Setting(
                folder=options["folder"],
                values=authoring.read_texts(given["values"], "values") if given["values"] else {},
                owner=authoring.read_owner(given["owner"]) if given["owner"] else DEFAULT_OWNER,
                plan=authoring.read_plan_file(given["plan"]) if given["plan"] else None,
                previous=authoring.read_texts(given["previous"], "previous values")
                if given["previous"]
                else {},
                variables=dict(_pair(text) for text in options["var"]),
            )
        )
        if options["json"]:
            self.stdout.write(json.dumps(authoring.document(output), ensure_ascii=False))
        else:
            self.stdout.write(authoring.table(output))
        self.stdout.flush()
        return output


def _changes(watched: Sequence[Path]) -> Iterator[None]:
    """Now, and then each time one of the files, or a file of the folders, was changed, added or removed."""
    seen: object = None
    while True:
        now = sorted(state for path in watched for state in _states(path))
        if now != seen:
            seen = now
            yield
        time.sleep(LOOK_EVERY)


def _states(path: Path) -> Iterator[tuple[str, int, int]]:
    """Name, time of change and size of a file, or of all files of a folder; one that vanishes is none."""
    for file in [path, *path.rglob("*")] if path.is_dir() else [path]:
        with contextlib.suppress(OSError):
            state = file.stat()
            yield str(file), state.st_mtime_ns, state.st_size


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise Invalid(f"--var {text}: write NAME=VALUE.")
    return name, value
