"""Which preset a request without one means: the largest that its values contain (prebuilds.md 5.1)."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PresetValues:
    id: uuid.UUID
    name: str
    has_pool: bool
    values: Mapping[str, str]


def matching_preset(presets: Iterable[PresetValues], request: Mapping[str, str]) -> uuid.UUID | None:
    """The preset all of whose values the request has; the most values win.

    Defaults that the person did not send do not count. A preset without values fits everything, so it
    is taken only when no other fits. Ties go to the one with a pool, then to the first by name.
    """
    fitting = [p for p in presets if all(request.get(name) == value for name, value in p.values.items())]
    if not fitting:
        return None
    return min(fitting, key=lambda p: (-len(p.values), not p.has_pool, p.name)).id
