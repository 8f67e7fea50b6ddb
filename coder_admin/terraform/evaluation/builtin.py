"""The one resource type that belongs to the language itself: terraform_data."""

from __future__ import annotations

from coder_admin.terraform.diagnostics import error
from coder_admin.terraform.model import Instance
from coder_admin.terraform.types import STRING
from coder_admin.terraform.values import EPHEMERAL, NOT_NULL, NULL, Value, object_, unknown


def plan_builtin(instance: Instance) -> Value | None:
    """What a plan with nothing in state says of the instance; None for any other type."""
    if instance.mode != "managed" or instance.type != "terraform_data":
        return None
    written = instance.config.attributes
    for name, value in written.items():
        if value.deep_marks & EPHEMERAL:
            instance.diagnostics.append(
                error(
                    "Invalid use of ephemeral value",
                    f'Ephemeral values are not valid for "{name}", which is kept in the state.',
                    instance.config.ranges.get(name),
                )
            )
    given = written.get("input", NULL)
    return object_(
        {
            "id": unknown(STRING, NOT_NULL),
            "input": given,
            "output": given if given.data is None else unknown(given.type).with_marks(given.marks),
            "triggers_replace": written.get("triggers_replace", NULL),
        }
    )
