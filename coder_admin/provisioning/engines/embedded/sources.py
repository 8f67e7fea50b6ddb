"""Data sources: the facts of a build as Coder's provider shows them, and a few that only read."""

from __future__ import annotations

import base64
import platform
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from coder_admin.provisioning.engines.base import EngineRequest
from coder_admin.terraform.types import BOOL, NUMBER, STRING, list_type, map_type
from coder_admin.terraform.values import boolean, number, to_python
from coder_admin.terraform.values import string as text

from .resource import ResourceError, Values
from .schema import Attribute, Nested, Schema, computed, optional, required
from .types.local import digests, source_file

Read = Callable[[EngineRequest, str, Values], Mapping[str, Any]]


class DataSource:
    """A schema, and the computed attributes for a request, the block's name and its arguments."""

    def __init__(self, schema: Schema, read: Read) -> None:
        self.schema = schema
        self.read = read


def _workspace(request: EngineRequest, name: str, config: Values) -> Mapping[str, Any]:
    meta = request.metadata
    address = urlsplit(meta.access_url)
    port = address.port or (443 if address.scheme == "https" else 80)
    return {
        "id": meta.workspace_id,
        "name": meta.workspace_name,
        "transition": meta.transition,
        "start_count": 1 if meta.transition == "start" else 0,
        "access_url": meta.access_url,
        "access_port": port,
        "template_id": meta.template_id,
        "template_name": meta.template_name,
        "template_version": meta.template_version,
        "is_prebuild": meta.stage == "create",
        "prebuild_count": 1 if meta.stage == "create" else 0,
        "is_prebuild_claim": meta.stage == "claim",
    }


_OWNER: Final = {
    "id": "",
    "name": "",
    "full_name": "",
    "email": "",
    "ssh_public_key": "",
    "ssh_private_key": "",
    "session_token": "",
    "oidc_access_token": "",
    "login_type": "",
    "groups": [],
    "rbac_roles": [],
}


def _owner(request: EngineRequest, name: str, config: Values) -> Mapping[str, Any]:
    return {**_OWNER, **{k: v for k, v in request.metadata.owner.items() if k in _OWNER}}


_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "armv7", "i686": "386"}


def _provisioner(request: EngineRequest, name: str, config: Values) -> Mapping[str, Any]:
    machine = platform.machine().lower()
    return {"id": "embedded", "os": platform.system().lower(), "arch": _ARCHITECTURES.get(machine, machine)}


def _parameter(request: EngineRequest, name: str, config: Values) -> Mapping[str, Any]:
    parameter = to_python(config["name"].deeply_unmarked())
    value = request.parameters.get(parameter)
    if value is None:
        default = to_python(config["default"].deeply_unmarked())
        if default is None and request.metadata.transition == "start":
            raise ResourceError(
                f'The parameter "{parameter}" has no value and no default. Give it a value and build again.'
            )
        value = default or ""
    return {"id": parameter, "value": value, "optional": not config["default"].is_null}


def _local_file(request: EngineRequest, name: str, config: Values) -> Mapping[str, Any]:
    content = source_file(request, to_python(config["filename"].deeply_unmarked()))
    hashes = digests(content)
    return {
        "id": hashes["content_sha1"],
        "content": content.decode("utf-8", "replace"),
        "content_base64": base64.b64encode(content).decode(),
        **hashes,
    }


def _null(request: EngineRequest, name: str, config: Values) -> Mapping[str, Any]:
    return {"id": "static", "random": "0", "outputs": config["inputs"]}


def _named(request: EngineRequest, name: str, config: Values) -> Mapping[str, Any]:
    return {"id": name}


def _all(attribute: Attribute, *names: str) -> dict[str, Attribute]:
    return dict.fromkeys(names, attribute)


def _file_schema(*, sensitive: bool) -> Schema:
    hashes = ("content_md5", "content_sha1", "content_sha256", "content_base64sha256", "content_sha512")
    return Schema(
        {
            "filename": required(),
            **_all(computed(sensitive=sensitive), "content", "content_base64"),
            **_all(computed(), "id", *hashes, "content_base64sha512"),
        }
    )


_PARAMETER = Schema(
    {
        "name": required(),
        "display_name": optional(),
        "description": optional(),
        "type": optional(default=text("string")),
        "form_type": optional(),
        "styling": optional(),
        "mutable": optional(BOOL, default=boolean(False)),
        "default": optional(),
        "icon": optional(),
        "order": optional(NUMBER, default=number(0)),
        "ephemeral": optional(BOOL, default=boolean(False)),
        "legacy_variable": optional(),
        "legacy_variable_name": optional(),
        **_all(computed(), "id", "value"),
        "optional": computed(BOOL),
    },
    {
        "option": Nested(
            {"name": required(), "value": required(), "description": optional(), "icon": optional()}
        ),
        "validation": Nested(
            {
                "min": optional(NUMBER),
                "max": optional(NUMBER),
                "regex": optional(),
                "error": optional(),
                "monotonic": optional(),
                "invalid": optional(BOOL),
            }
        ),
    },
    lenient=True,
)

_PRESET = Schema(
    {
        "name": required(),
        "default": optional(BOOL, default=boolean(False)),
        "description": optional(),
        "icon": optional(),
        "parameters": optional(map_type(STRING)),
        "id": computed(),
    },
    {
        "prebuilds": Nested(
            {"instances": required(NUMBER)},
            {
                "expiration_policy": Nested({"ttl": required(NUMBER)}, maximum=1),
                "scheduling": Nested(
                    {"timezone": required()},
                    {"schedule": Nested({"cron": required(), "instances": required(NUMBER)})},
                    maximum=1,
                ),
            },
            maximum=1,
        )
    },
    lenient=True,
)

DATA_SOURCES: Final[dict[str, DataSource]] = {
    "coder_workspace": DataSource(
        Schema(
            {
                **_all(
                    computed(),
                    *("id", "name", "transition", "access_url"),
                    *("template_id", "template_name", "template_version"),
                ),
                **_all(computed(NUMBER), "start_count", "access_port", "prebuild_count"),
                **_all(computed(BOOL), "is_prebuild", "is_prebuild_claim"),
            },
            lenient=True,
        ),
        _workspace,
    ),
    "coder_workspace_owner": DataSource(
        Schema(
            {
                **_all(computed(), "id", "name", "full_name", "email", "ssh_public_key", "login_type"),
                **_all(computed(sensitive=True), "ssh_private_key", "session_token", "oidc_access_token"),
                "groups": computed(list_type(STRING)),
                "rbac_roles": computed(list_type(map_type(STRING))),
            },
            lenient=True,
        ),
        _owner,
    ),
    "coder_provisioner": DataSource(Schema(_all(computed(), "id", "os", "arch"), lenient=True), _provisioner),
    "coder_parameter": DataSource(_PARAMETER, _parameter),
    "coder_workspace_preset": DataSource(_PRESET, _named),
    "coder_workspace_tags": DataSource(
        Schema({"tags": optional(map_type(STRING)), "id": computed()}, lenient=True), _named
    ),
    "null_data_source": DataSource(
        Schema(
            {
                "inputs": optional(map_type(STRING)),
                "has_computed_default": optional(),
                "outputs": computed(map_type(STRING)),
                **_all(computed(), "id", "random"),
            }
        ),
        _null,
    ),
    "local_file": DataSource(_file_schema(sensitive=False), _local_file),
    "local_sensitive_file": DataSource(_file_schema(sensitive=True), _local_file),
}
