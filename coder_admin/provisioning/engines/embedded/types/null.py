"""``null_resource`` and ``terraform_data``: resources that make nothing but have a life."""

from __future__ import annotations

import secrets
import uuid
from typing import Any

from coder_admin.terraform.types import DYNAMIC, STRING, map_type
from coder_admin.terraform.values import Value, unknown

from ..resource import Call, ResourceType
from ..schema import Schema, computed, optional


class NullResource(ResourceType):
    name = "null_resource"
    schema = Schema({"id": computed(), "triggers": optional(map_type(STRING), force_new=True)})

    def create(self, call: Call) -> dict[str, Any]:
        return {"id": str(secrets.randbits(63))}


class TerraformData(ResourceType):
    """As in Terraform, ``output`` is not marked sensitive when ``input`` is (logs hide its text anyway)."""

    name = "terraform_data"
    schema = Schema(
        {
            "id": computed(),
            "input": optional(DYNAMIC),
            "output": computed(DYNAMIC),
            "triggers_replace": optional(DYNAMIC, force_new=True),
        }
    )

    def plan(self, call: Call, planned: dict[str, Value]) -> dict[str, Value]:
        # The output follows the input, but only once it has been applied.
        before = call.prior.get("input")
        if before is not None and before.deeply_unmarked() == planned["input"].deeply_unmarked():
            return planned
        if before is None and planned["input"].is_null:
            return {**planned, "output": planned["input"]}
        return {**planned, "output": unknown(planned["input"].type)}

    def create(self, call: Call) -> dict[str, Any]:
        return {"id": str(uuid.uuid4()), "output": call.planned["input"].deeply_unmarked()}

    def update(self, call: Call) -> dict[str, Any]:
        return {"output": call.planned["input"].deeply_unmarked()}
