"""The blocks of a module file, as far as the language itself knows them."""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Contents:
    """What may stand in a block."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()


# Blocks that tell about state. They are checked for what they hold; an evaluation has no use for them.
STATE_BLOCKS: Final[dict[str, Contents]] = {
    "moved": Contents(("from", "to")),
    "import": Contents(("to",), ("id", "identity", "for_each", "provider")),
    "removed": Contents(("from",), (), ("lifecycle", "connection", "provisioner")),
}

# The block that configures Terraform itself.
TERRAFORM_SETTINGS: Final = Contents(
    (),
    ("required_version", "experiments", "language"),
    ("required_providers", "backend", "cloud", "provider_meta", "state_store"),
)

# Resource types of the language itself: they have arguments only.
PLAIN_RESOURCES: Final = ("terraform_data",)
