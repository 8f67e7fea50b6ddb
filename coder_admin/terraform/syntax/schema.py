"""The blocks of a module file, as far as the language itself knows them."""

from __future__ import annotations

from typing import Final

# Labels of each kind of top-level block. The last ones are accepted and mean nothing to an evaluation.
TOP_LEVEL: Final[dict[str, tuple[str, ...]]] = {
    "variable": ("name",),
    "locals": (),
    "output": ("name",),
    "resource": ("type", "name"),
    "data": ("type", "name"),
    "ephemeral": ("type", "name"),
    "module": ("name",),
    "check": ("name",),
    "terraform": (),
    "provider": ("name",),
    "moved": (),
    "import": (),
    "removed": (),
    "action": ("type", "name"),
}
