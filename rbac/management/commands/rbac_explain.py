"""`manage.py rbac_explain USER ACTION OBJECT`: whether the policy allows it, and what decides."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from rbac.asking import Answer, BadQuestion, answer, read_question
from rbac.objects import FORMS


class Command(BaseCommand):
    """Prints the verdict, then each step of the decision. Exit code 0 for a yes and for a no."""

    help = "Say whether a user may do something, and which role, access list or token scope decides."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", metavar="USER", help="username or id")
        parser.add_argument("action", metavar="ACTION", help="such as read, update, use, delete, ssh")
        parser.add_argument(
            "object",
            metavar="OBJECT",
            help=f"{FORMS}; such as template:acme/docker, workspace:ada/dev, workspace@acme/ada",
        )
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            told = answer(read_question(options["user"], options["action"], options["object"]))
        except BadQuestion as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(_json(told), indent=2))
            return
        self.stdout.write(told.verdict)
        self._steps(told.lines)
        if told.as_prebuilt:
            self.stdout.write("Asked again as a prebuilt workspace:")
            self._steps(told.as_prebuilt)
        self.stdout.write(f"Roles held: {', '.join(told.roles) or 'none'}")
        if told.allowing:
            self.stdout.write(f"Any of these roles would allow it: {', '.join(told.allowing)}")

    def _steps(self, lines: Any) -> None:
        for line in lines:
            self.stdout.write(f"  {line.step:<13} {line.verdict:<4} {line.text}")


def _json(told: Answer) -> dict[str, Any]:
    question = told.question
    return {
        "user": str(question.user),
        "action": str(question.action),
        "object": {
            "resource_type": str(question.object.type),
            "resource_id": question.object.id,
            "organization_id": question.object.org,
            "owner_id": question.object.owner,
            "any_org": question.object.any_org,
        },
        "allowed": told.allowed,
        "reason": told.reason,
        "steps": [asdict(line) for line in told.lines],
        "as_prebuilt_workspace": [asdict(line) for line in told.as_prebuilt],
        "roles": list(told.roles),
        "roles_that_would_allow": list(told.allowing),
    }
