"""From what a resource type returns to the object that is kept: typed, marked, nothing unknown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coder_admin.terraform.convert import convert
from coder_admin.terraform.values import Value, from_python, null, object_

from .schema import Schema, mark


def complete(schema: Schema, planned: Mapping[str, Value], computed: Mapping[str, Any]) -> Value:
    """``planned`` with the computed attributes filled in; what nobody set is null."""
    values: dict[str, Value] = {}
    for name, value in planned.items():
        attribute = schema.attributes.get(name)
        if attribute is not None and name in computed:
            values[name] = convert(from_python(computed[name]), attribute.type)
        else:
            values[name] = value if value.is_known else null(value.type)
    return object_(mark(values, schema))
