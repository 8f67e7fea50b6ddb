"""Names of workspaces: what they may be, and the answer when one is taken."""

from __future__ import annotations

import re

from coder_admin.foundation.errors import Conflict, Invalid, Validation

LONGEST_NAME = 32
_NAME = re.compile(r"[a-zA-Z0-9]+(?:-[a-zA-Z0-9]+)*\Z")


def checked_name(name: str) -> str:
    """The name if it may be a person's workspace's. Raises Invalid at the field `name`."""
    problem = ""
    if not name:
        problem = "Give the workspace a name."
    elif len(name) > LONGEST_NAME:
        problem = f"A name has at most {LONGEST_NAME} characters; this one has {len(name)}."
    elif not _NAME.match(name):
        problem = "Use letters, digits and single hyphens between them."
    if problem:
        raise Invalid(f'"{name[:64]}" is not a workspace name.', validations=[Validation("name", problem)])
    return name


def name_taken(name: str) -> Conflict:
    """The owner has a workspace of that name already."""
    return Conflict(
        f'Workspace "{name}" already exists.',
        validations=[Validation("name", "This value is already in use and should be unique.")],
    )
