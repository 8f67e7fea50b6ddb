"""Which preset a request for a workspace means when it names none (reference section 5.1). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PresetCandidate:
    """A preset of the requested version and the parameters it sets."""

    id: str
    name: str
    has_prebuilds: bool
    parameters: Mapping[str, str] = field(default_factory=dict)


def match_preset(presets: Iterable[PresetCandidate], request: Mapping[str, str]) -> PresetCandidate | None:
    """The preset whose parameters are all in the request, name and value, and that sets the most.

    Only values that were sent count, defaults do not. A preset without parameters matches everything, and
    is therefore chosen only if nothing larger matches. Ties: with prebuilds first, then by name, then by id.
    """
    matching = [
        preset
        for preset in presets
        if all(request.get(name) == value for name, value in preset.parameters.items())
    ]
    return min(
        matching,
        key=lambda preset: (-len(preset.parameters), not preset.has_prebuilds, preset.name, preset.id),
        default=None,
    )
