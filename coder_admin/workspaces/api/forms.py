"""Bodies and query strings of requests, as they must be."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.core.validators import ProhibitNullCharactersValidator
from rest_framework import serializers

from coder_admin.foundation.errors import Invalid, Validation
from coder_admin.foundation.fields import JsonBoolean

from ..choices import AutomaticUpdates, BuildReason, ScriptStage, ScriptStatus

MAXIMUM_PARAMETERS = 500
MAXIMUM_LOG_LINES = 2000
LARGEST_NUMBER = 2**53


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
    ttl_ms = serializers.IntegerField(required=False, allow_null=True, min_value=0, max_value=LARGEST_NUMBER)
    automatic_updates = serializers.ChoiceField(AutomaticUpdates.choices, required=False)


class OwnVariableValue(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=256)
    value = serializers.CharField(allow_blank=True, trim_whitespace=False, max_length=1_048_576)


class CreateDryRun(serializers.Serializer[Any]):
    """`POST /templateversions/{id}/dry-run`."""

    workspace_name = serializers.CharField(required=False, allow_blank=True, max_length=64)
    rich_parameter_values = serializers.ListField(
        child=ParameterValue(), required=False, max_length=MAXIMUM_PARAMETERS
    )
    user_variable_values = serializers.ListField(
        child=OwnVariableValue(), required=False, max_length=MAXIMUM_PARAMETERS
    )


class ShareWorkspace(serializers.Serializer[Any]):
    """`PATCH /workspaces/{id}/acl`: id → `use`, `admin` or empty."""

    user_roles = serializers.DictField(child=serializers.CharField(allow_blank=True), required=False)
    group_roles = serializers.DictField(child=serializers.CharField(allow_blank=True), required=False)


class CreateBuild(_WithParameters):
    """`POST /workspaces/{id}/builds`."""

    transition = serializers.CharField(max_length=16)
    orphan = JsonBoolean(required=False, default=False)
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


class Autostart(serializers.Serializer[Any]):
    """`PUT …/autostart`: null or "" switches it off."""

    schedule = serializers.CharField(required=False, allow_blank=True, allow_null=True, max_length=128)


class Ttl(serializers.Serializer[Any]):
    """`PUT …/ttl`: null or 0 lets it run until somebody stops it."""

    ttl_ms = serializers.IntegerField(allow_null=True, min_value=0, max_value=LARGEST_NUMBER)


class Extend(serializers.Serializer[Any]):
    deadline = serializers.DateTimeField()


class Dormant(serializers.Serializer[Any]):
    dormant = JsonBoolean()


class AutoUpdates(serializers.Serializer[Any]):
    automatic_updates = serializers.CharField(max_length=16)


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


class _Output(serializers.CharField):
    """Output of a program, as it comes: NUL too (the services replace it), or a whole batch would be lost."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_blank=True, trim_whitespace=False, **options)
        self.validators = [v for v in self.validators if not isinstance(v, ProhibitNullCharactersValidator)]


class LogLineForm(serializers.Serializer[Any]):
    created_at = serializers.DateTimeField()
    output = _Output()
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


_COUNT: dict[str, Any] = {"required": False, "default": 0, "min_value": 0, "max_value": LARGEST_NUMBER}


class Port(serializers.Serializer[Any]):
    port = serializers.IntegerField(min_value=1, max_value=65_535)
    network = serializers.ChoiceField(["tcp"], default="tcp")
    process_name = serializers.CharField(required=False, allow_blank=True, default="", max_length=256)


class Stats(serializers.Serializer[Any]):
    """`POST …/report-stats` (section 3.2); the listening ports are ours."""

    connections_by_proto = serializers.DictField(
        child=serializers.IntegerField(min_value=0, max_value=LARGEST_NUMBER), required=False
    )
    connection_count = serializers.IntegerField(**_COUNT)
    connection_median_latency_ms = serializers.FloatField(required=False, default=0.0)
    rx_packets = serializers.IntegerField(**_COUNT)
    rx_bytes = serializers.IntegerField(**_COUNT)
    tx_packets = serializers.IntegerField(**_COUNT)
    tx_bytes = serializers.IntegerField(**_COUNT)
    session_count_vscode = serializers.IntegerField(**_COUNT)
    session_count_jetbrains = serializers.IntegerField(**_COUNT)
    session_count_reconnecting_pty = serializers.IntegerField(**_COUNT)
    session_count_ssh = serializers.IntegerField(**_COUNT)
    listening_ports = serializers.ListField(child=Port(), required=False, max_length=500)


class MetadatumForm(serializers.Serializer[Any]):
    """Longer texts are cut with a notice by the service, never refused."""

    key = serializers.CharField(max_length=128)
    value = _Output(required=False, default="")
    error = _Output(required=False, default="")
    collected_at = serializers.DateTimeField()


class Metadata(serializers.Serializer[Any]):
    metadata = serializers.ListField(child=MetadatumForm(), max_length=500)


class AppHealths(serializers.Serializer[Any]):
    """`{"healths": {app id: health}}`."""

    healths = serializers.DictField(child=serializers.CharField(max_length=32))


class ScriptTimingForm(serializers.Serializer[Any]):
    script_id = serializers.UUIDField()
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField()
    exit_code = serializers.IntegerField(min_value=-(2**31), max_value=2**31 - 1)
    stage = serializers.ChoiceField(ScriptStage.choices)
    status = serializers.ChoiceField(ScriptStatus.choices)


class ScriptTimings(serializers.Serializer[Any]):
    timings = serializers.ListField(child=ScriptTimingForm(), max_length=500)


class Usage(serializers.Serializer[Any]):
    """`POST …/usage`: which agent and kind of app is used; both may be left out."""

    agent_id = serializers.UUIDField(required=False, allow_null=True)
    app_name = serializers.ChoiceField(
        ["vscode", "jetbrains", "reconnecting-pty", "ssh"], required=False, allow_blank=True
    )


def parameters_of(data: Mapping[str, Any]) -> dict[str, str]:
    """`rich_parameter_values` as a mapping. Raises Invalid when a name comes twice."""
    return _mapping_of(data, "rich_parameter_values", "parameter")


def variables_of(data: Mapping[str, Any]) -> dict[str, str]:
    """`user_variable_values` as a mapping. Raises Invalid when a name comes twice."""
    return _mapping_of(data, "user_variable_values", "variable")


def _mapping_of(data: Mapping[str, Any], field: str, thing: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for item in data.get(field) or []:
        if item["name"] in values:
            raise Invalid(
                f"A {thing} is given twice.",
                validations=[Validation(field, f'"{item["name"]}" appears more than once.')],
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
