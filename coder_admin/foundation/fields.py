"""Fields of request bodies that are stricter than the framework's."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers


class JsonBoolean(serializers.BooleanField):
    """`true` or `false` and nothing that only reads like it: "off" for `disabled` can be meant either way."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data
