"""What an engine made and must find again: the state of one workspace, as JSON.

The database holds the truth. While an apply runs, each step is also written to a journal in the workspace's
folder (a whole new file, then renamed over the old one: a kill at any instant leaves one or the other), so
that resources made by a build that was killed are known to the next one.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from coder_admin.provisioning.engines.base import EngineError
from coder_admin.terraform import Key
from coder_admin.terraform.types import ObjectType
from coder_admin.terraform.values import Value, null, object_

from .codec import CodecError, Step, from_state, mark_paths, sensitive_paths, to_state

FORMAT: Final = "coder-admin/embedded"
VERSION: Final = 1
PRIVATE_FOLDER: Final = ".coder-admin"  # in the workspace's folder; no resource may write there


@dataclass(frozen=True)
class Deposed:
    """An object that was replaced (create_before_destroy) and is still to be destroyed."""

    id: str
    attributes: Mapping[str, Any]
    dependencies: tuple[str, ...] = ()


@dataclass(frozen=True)
class Resource:
    """One managed resource instance. ``attributes`` are JSON as ``codec.to_state`` writes them; None when
    only deposed objects are left. ``triggers``: hashes of what ``replace_triggered_by`` referred to."""

    address: str
    type: str
    name: str
    module: str = ""
    key: Key = None
    attributes: Mapping[str, Any] | None = None
    sensitive: tuple[tuple[Step, ...], ...] = ()
    dependencies: tuple[str, ...] = ()
    create_before_destroy: bool = False
    prevent_destroy: bool = False
    triggers: Mapping[str, str] = field(default_factory=dict)
    deposed: tuple[Deposed, ...] = ()

    def value(self, of: ObjectType) -> Value | None:
        """The object as the present schema sees it: attributes it gained are null, those it lost are gone."""
        return None if self.attributes is None else decode(self.attributes, of, self.sensitive)

    def with_value(self, value: Value, of: ObjectType) -> Resource:
        attributes, sensitive = encode(value, of)
        return replace(self, attributes=attributes, sensitive=sensitive)


@dataclass(frozen=True)
class State:
    resources: Mapping[str, Resource] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    serial: int = 0
    lineage: str = ""

    def put(self, resource: Resource) -> State:
        return self._with({**self.resources, resource.address: resource})

    def drop(self, address: str) -> State:
        return self._with({a: r for a, r in self.resources.items() if a != address})

    def _with(self, resources: Mapping[str, Resource]) -> State:
        return replace(self, resources=resources, serial=self.serial + 1)


def encode(value: Value, of: ObjectType) -> tuple[dict[str, Any], tuple[tuple[Step, ...], ...]]:
    """An object of the schema's type as attributes for the state, and where it is sensitive."""
    paths = tuple(tuple(path) for path in sensitive_paths(value))
    members = value.deeply_unmarked().data
    return {name: to_state(members[name], t) for name, t in of.attributes.items()}, paths


def decode(attributes: Mapping[str, Any], of: ObjectType, sensitive: Iterable[Iterable[Step]]) -> Value:
    values = {
        name: from_state(attributes[name], t) if name in attributes else null(t)
        for name, t in of.attributes.items()
    }
    return mark_paths(object_(values), [tuple(path) for path in sensitive])


def new_state() -> State:
    return State(lineage=str(uuid.uuid4()))


def dump(state: State) -> bytes:
    document = {
        "format": FORMAT,
        "version": VERSION,
        "serial": state.serial,
        "lineage": state.lineage,
        "outputs": state.outputs,
        "resources": [_resource_json(r) for r in state.resources.values()],
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _resource_json(resource: Resource) -> dict[str, Any]:
    return {
        "address": resource.address,
        "module": resource.module,
        "type": resource.type,
        "name": resource.name,
        "key": resource.key,
        "attributes": resource.attributes,
        "sensitive": [list(path) for path in resource.sensitive],
        "dependencies": list(resource.dependencies),
        "create_before_destroy": resource.create_before_destroy,
        "prevent_destroy": resource.prevent_destroy,
        "triggers": dict(resource.triggers),
        "deposed": [
            {"id": d.id, "attributes": d.attributes, "dependencies": list(d.dependencies)}
            for d in resource.deposed
        ],
    }


def load(data: bytes | None) -> State:
    """The state that ``dump`` wrote; a new, empty one for None. EngineError when it is something else."""
    if not data:
        return new_state()
    try:
        document = json.loads(data)
    except ValueError:
        raise EngineError("The workspace's state is damaged: it is not JSON.") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise EngineError(
            "The workspace's state was written by another engine. Build it with the engine that made it "
            "(setting CODER_ADMIN_ENGINE), or delete the workspace there first."
        )
    if document.get("version") != VERSION:
        raise EngineError(
            f"The workspace's state has version {document.get('version')!r}, this program knows {VERSION}: "
            "it was written by a newer version of the program."
        )
    try:
        resources = [_resource(entry) for entry in document["resources"]]
    except (KeyError, TypeError, ValueError) as problem:
        raise EngineError(f"The workspace's state is damaged: {problem!r}.") from None
    return State(
        {r.address: r for r in resources},
        document.get("outputs", {}),
        document["serial"],
        document["lineage"],
    )


def _resource(entry: Mapping[str, Any]) -> Resource:
    return Resource(
        address=entry["address"],
        type=entry["type"],
        name=entry["name"],
        module=entry["module"],
        key=entry["key"],
        attributes=entry["attributes"],
        sensitive=tuple(tuple(path) for path in entry["sensitive"]),
        dependencies=tuple(entry["dependencies"]),
        create_before_destroy=entry["create_before_destroy"],
        prevent_destroy=entry["prevent_destroy"],
        triggers=entry["triggers"],
        deposed=tuple(Deposed(d["id"], d["attributes"], tuple(d["dependencies"])) for d in entry["deposed"]),
    )


class Journal:
    """The state of the running apply, beside the workspace's files."""

    def __init__(self, workdir: Path) -> None:
        self._folder = workdir / PRIVATE_FOLDER
        self._path = self._folder / "state.json"

    def newest(self, known: State, *, first: bool) -> State:
        """``known``, or the journal's state where a killed build came further than it.

        first: the workspace has no state at all yet; then whatever the journal holds was made for it.
        """
        try:
            written = load(self._path.read_bytes())
        except (FileNotFoundError, EngineError):
            return known
        if first or (written.lineage == known.lineage and written.serial > known.serial):
            return written
        return known

    def write(self, state: State) -> None:
        """Durable once it returns; a reader never sees half of it."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._path.with_suffix(f".{os.getpid()}.tmp")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(dump(state))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)

    def clear(self) -> None:
        """Nothing exists any more."""
        self._path.unlink(missing_ok=True)


__all__ = [
    "CodecError",
    "Deposed",
    "Journal",
    "Resource",
    "State",
    "decode",
    "dump",
    "encode",
    "load",
    "new_state",
]
