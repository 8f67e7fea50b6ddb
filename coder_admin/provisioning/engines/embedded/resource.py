"""What a resource type is to the engine: a schema, and four things that can be done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from coder_admin.provisioning.engines.base import EngineRequest
from coder_admin.terraform.values import Value, to_python

from .schema import Schema

Values = Mapping[str, Value]


class ResourceError(Exception):
    """What the resource type could not do, for a person: what went wrong and what to do."""


@dataclass(frozen=True)
class Call:
    """One operation on one resource. ``planned`` is what the configuration wants, ``prior`` what exists."""

    request: EngineRequest
    address: str
    name: str
    now: datetime
    planned: Values = field(default_factory=dict)
    prior: Values = field(default_factory=dict)
    wait: Callable[[float], None] = lambda seconds: None  # raises when the job was canceled

    @property
    def workdir(self) -> Path:
        return self.request.workdir

    def get(self, name: str) -> Any:
        """The wanted value as plain Python; None for null."""
        return to_python(self.planned[name].deeply_unmarked(), unknown_as=None)

    def had(self, name: str) -> Any:
        """The existing value as plain Python; None for null."""
        return to_python(self.prior[name].deeply_unmarked(), unknown_as=None) if name in self.prior else None


class ResourceType:
    """A built-in resource type. Subclasses say what they take and override what they do.

    ``create`` and ``update`` return the computed attributes as plain Python; everything that was written is
    taken from the plan. What is left out keeps its planned value.
    """

    name: str
    schema: Schema

    def check(self, config: Values) -> str:
        """The complaint about arguments that do not go together, or "". Unknown values are not judged."""
        return ""

    def plan(self, call: Call, planned: dict[str, Value]) -> dict[str, Value]:
        """May fill in computed attributes that are known before the apply."""
        return planned

    def exists(self, call: Call) -> bool:
        """Whether what the state says is still there; False has it made again."""
        return True

    def create(self, call: Call) -> dict[str, Any]:
        raise NotImplementedError

    def update(self, call: Call) -> dict[str, Any]:
        return {}

    def delete(self, call: Call) -> None:
        """Undo what create made; what is gone already is no error."""
