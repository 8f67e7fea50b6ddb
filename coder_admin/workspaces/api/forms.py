"""Bodies and query strings of requests, as they must be."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from coder_admin.foundation.errors import Invalid, Validation

from ..choices import AutomaticUpdates, BuildReason

MAXIMUM_PARAMETERS = 500
MAXIMUM_LOG_LINES = 2000
MINIMUM_TTL_MS = 60_000
MAXIMUM_TTL_MS = 7 * 24 * 3_600_000 * 4


class ParameterValue(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=256)
    value = serializers.CharField(allow_blank=True, trim_whitespace=False, max_length=1_048_576)


class _WithParameters(serializers.Serializer[Any]):
    rich_parameter_values = serializers.ListField(
        child=ParameterValue(), required=False, max_length=MAXIMUM_PARAMETERS
    )
    template_version_id = serializers.UUIDField(required=False, allow_null=True)
    template_version_preset_id = serializers.UUIDField(required=False, allow_null=True)


class CreateWorkspace(_WithParameters):
    """`POST …/workspaces`: a template or one of its versions, a name, and what else the person chose."""

    template_id = serializers.UUIDField(required=False, allow_null=True)
    name = serializers.CharField(max_length=64)
    autostart_schedule = serializers.CharField(
        required=False, allow_blank=True, allow_null=True, max_length=128
    )
    ttl_ms = serializers.IntegerField(
        required=False, allow_null=True, min_value=MINIMUM_TTL_MS, max_value=MAXIMUM_TTL_MS
    )
    automatic_updates = serializers.ChoiceField(AutomaticUpdates.choices, required=False)


class UpdateAcl(serializers.Serializer[Any]):
    """`PATCH /workspaces/{id}/acl`: id → `use`, `admin` or empty."""

    user_roles = serializers.DictField(child=serializers.CharField(allow_blank=True), required=False)
    group_roles = serializers.DictField(child=serializers.CharField(allow_blank=True), required=False)


class CreateBuild(_WithParameters):
    """`POST /workspaces/{id}/builds`."""

    transition = serializers.CharField(max_length=16)
    orphan = serializers.BooleanField(required=False, default=False)
    state = serializers.CharField(required=False, allow_null=True, max_length=8 * 1024 * 1024)
    log_level = serializers.CharField(required=False, allow_blank=True, max_length=16)
    reason = serializers.ChoiceField(
        [
            BuildReason.DASHBOARD,
            BuildReason.CLI,
            BuildReason.SSH_CONNECTION,
            BuildReason.VSCODE_CONNECTION,
            BuildReason.JETBRAINS_CONNECTION,
        ],
        required=False,
    )


class RenameWorkspace(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=64)


class Startup(serializers.Serializer[Any]):
    version = serializers.CharField(max_length=64)
    expanded_directory = serializers.CharField(required=False, allow_blank=True, default="", max_length=4096)
    subsystems = serializers.ListField(
        child=serializers.CharField(max_length=32), required=False, max_length=16
    )


class Lifecycle(serializers.Serializer[Any]):
    state = serializers.CharField(max_length=64)
    changed_at = serializers.DateTimeField(required=False, allow_null=True)
    agent_id = serializers.CharField(required=False, allow_blank=True, default="", max_length=64)


class LogLineForm(serializers.Serializer[Any]):
    created_at = serializers.DateTimeField()
    output = serializers.CharField(allow_blank=True, trim_whitespace=False)
    level = serializers.ChoiceField(["trace", "debug", "info", "warn", "error"], default="info")


class Logs(serializers.Serializer[Any]):
    """`run_id` and `sequence` place the batch in its source's log, so that sending it twice is harmless."""

    log_source_id = serializers.UUIDField()
    logs = serializers.ListField(child=LogLineForm(), max_length=MAXIMUM_LOG_LINES)
    run_id = serializers.CharField(required=False, allow_blank=True, default="", max_length=128)
    sequence = serializers.IntegerField(required=False, default=0, min_value=0)


class LogSource(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    display_name = serializers.CharField(max_length=127)
    icon = serializers.CharField(required=False, allow_blank=True, default="", max_length=256)


def parameters_of(data: Mapping[str, Any]) -> dict[str, str]:
    """`rich_parameter_values` as a mapping. Raises Invalid when a name comes twice."""
    values: dict[str, str] = {}
    for item in data.get("rich_parameter_values") or []:
        if item["name"] in values:
            raise Invalid(
                "A parameter is given twice.",
                validations=[
                    Validation("rich_parameter_values", f'"{item["name"]}" appears more than once.')
                ],
            )
        values[item["name"]] = item["value"]
    return values


def line_bounds(query: Mapping[str, str]) -> tuple[int | None, int | None]:
    """`(after, before)` of a request for log lines. Raises Invalid for what is no whole number."""
    found: dict[str, int | None] = {}
    for name in ("after", "before"):
        text = query.get(name, "")
        digits = text.removeprefix("-")
        if text and not (digits.isascii() and digits.isdigit() and len(digits) <= 18):
            raise Invalid(
                "Query parameters have invalid values.",
                validations=[Validation(name, f'Query param "{name}" must be an integer.')],
            )
        found[name] = int(text) if text else None
    return found["after"], found["before"]


def flag(query: Mapping[str, str], name: str) -> bool:
    text = query.get(name, "")
    if text.lower() not in ("", "true", "false", "1", "0"):
        raise Invalid(
            "Query parameters have invalid values.", validations=[Validation(name, "Use true or false.")]
        )
    return text.lower() in ("true", "1")


def optional_id(data: Mapping[str, Any], name: str) -> uuid.UUID | None:
    value = data.get(name)
    return value if isinstance(value, uuid.UUID) else None
