"""How the OpenAPI document describes our views."""

from __future__ import annotations

import re
from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes


class ApiSchema(AutoSchema):
    """A view that names no serializer takes and gives a free-form object; operations are named by method and
    address, which is unique by nature."""

    def _get_serializer(self) -> Any:
        return OpenApiTypes.OBJECT

    def get_operation_id(self) -> str:
        """`get_users_by_user_keys` for `GET /api/v2/users/{user}/keys`."""
        path = re.sub(r"\{(?:[^}]*?)([^}:]+)\}", r"by_\1", self.path.removeprefix("/api/v2/"))
        return f"{self.method.lower()}_{re.sub(r'[^a-zA-Z0-9]+', '_', path).strip('_')}"
