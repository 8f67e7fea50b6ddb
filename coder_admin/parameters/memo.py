"""What was read from a block, kept while its arguments and its input stay the same.

A keystroke changes one parameter of many. Evaluated arguments of the others are equal, mostly the very same
objects, so comparing them costs a fraction of reading them again; and of the one that changed everything but
the input stays. Forms of one template share the memo: entries are immutable and each is stored whole, so that
threads at worst repeat some work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from coder_admin.terraform import BlockContent
from coder_admin.terraform.types import STRING

B = TypeVar("B")
V = TypeVar("V")

LIMIT = 4096
"""Blocks remembered at most; addresses may hold what people type (for_each keys)."""


class Memo(Generic[B, V]):
    """One answer for each block address, and what of it does not depend on the input."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[BlockContent, B, str | None, V]] = {}

    def answer(
        self,
        address: str,
        content: BlockContent,
        given: str | None,
        read: Callable[[], B],
        finish: Callable[[B], V],
    ) -> V:
        """The kept answer if nothing it was made from has changed. Else a new one: what ``read`` makes of the
        block, which is kept too, ``finish`` turns into the answer for the input ``given``."""
        known = self._entries.get(address)
        if known is not None and known[0] == content:
            if known[2] == given:
                return known[3]
            base = known[1]
        else:
            base = read()
        made = finish(base)
        if len(self._entries) >= LIMIT:
            self._entries.clear()
        self._entries[address] = (content, base, given, made)
        return made


def input_of(content: BlockContent, inputs: Mapping[str, str]) -> str | None:
    """The input that a parameter's block takes, None when there is none or its name is not known."""
    name = content.attributes.get("name")
    if name is None or name.type is not STRING or not isinstance(name.data, str):
        return None
    return inputs.get(name.data)
