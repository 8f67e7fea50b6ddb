"""``manage.py import_template DIR --org ORG --name NAME``."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from coder_admin.foundation.errors import Invalid
from coder_admin.organizations.resolution import resolve_organization
from coder_admin.parameters.importing import folder_files, import_folder
from coder_admin.parameters.inspection import ImportRefusedError, check_has_configuration
from coder_admin.parameters.operator import operator


class Command(BaseCommand):
    """Parses the options; ``coder_admin.parameters.importing`` does the work."""

    help = "Create a template from a folder of Terraform files, or give an existing one a new active version."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", metavar="DIR", type=Path, help="folder with the template's .tf files")
        parser.add_argument("--org", required=True, help="organization, by name or id")
        parser.add_argument("--name", required=True, help="name of the template")
        parser.add_argument("--user", default="", help="who imports it (default: the first owner)")
        parser.add_argument("--message", default="", help="what changed in this version")
        parser.add_argument("--version-name", default="", help="name of the version (default: a random one)")
        parser.add_argument("--display-name", default="", help="name that people see, for a new template")
        parser.add_argument("--description", default="", help="one sentence, for a new template")
        parser.add_argument("--icon", default="", help="address of an icon, for a new template")
        parser.add_argument(
            "--var", action="append", default=[], metavar="NAME=VALUE", help="value of a template variable"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        folder: Path = options["folder"]
        try:
            check_has_configuration(folder_files(folder))
        except ImportRefusedError as refusal:
            raise Invalid(f"{folder}: {refusal}") from None
        variables = dict(_pair(text) for text in options["var"])
        actor = operator(options["user"])
        imported = import_folder(
            actor=actor,
            organization=resolve_organization(actor, options["org"]),
            folder=folder,
            name=options["name"],
            variables=variables,
            version_name=options["version_name"],
            message=options["message"],
            display_name=options["display_name"],
            description=options["description"],
            icon=options["icon"],
        )
        done = "Created" if imported.created else "Updated"
        self.stdout.write(
            f"{done} template {imported.template.name}, active version {imported.version.name}."
        )


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise Invalid(f"--var {text}: write NAME=VALUE.")
    return name, value
