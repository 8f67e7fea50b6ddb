"""What was read from a block, kept while its arguments and its input stay the same.

A keystroke changes one parameter of many. Evaluated arguments of the others are equal, mostly the very same
objects, so comparing them costs a fraction of reading them again. Forms of one template share the memo:
entries are immutable and each is stored whole, so that threads at worst repeat some work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from coder_admin.terraform import BlockContent
from coder_admin.terraform.types import STRING

V = TypeVar("V")

LIMIT = 4096
"""Blocks remembered at most; addresses may hold what people type (for_each keys)."""


class Memo(Generic[V]):
    """One answer for each block address."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[BlockContent, str | None, V]] = {}

    def answer(self, address: str, content: BlockContent, given: str | None, make: Callable[[], V]) -> V:
        """The kept answer if nothing it was made from has changed, else a new one."""
        known = self._entries.get(address)
        if known is not None and known[1] == given and known[0] == content:
            return known[2]
        made = make()
        if len(self._entries) >= LIMIT:
            self._entries.clear()
        self._entries[address] = (content, given, made)
        return made


def input_of(content: BlockContent, inputs: Mapping[str, str]) -> str | None:
    """The input that a parameter's block takes, None when there is none or its name is not known."""
    name = content.attributes.get("name")
    if name is None or name.type is not STRING or not isinstance(name.data, str):
        return None
    return inputs.get(name.data)
