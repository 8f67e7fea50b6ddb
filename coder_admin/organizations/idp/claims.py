"""Claims of an identity token: merged, and read as lists of texts. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Claims = Mapping[str, Any]


class ClaimError(ValueError):
    """A claim cannot be read as a list of texts; the message says which and what was expected."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f'The claim "{field}" cannot be read: {problem}')
        self.field = field


def merge_claims(id_token: Claims, userinfo: Claims) -> dict[str, Any]:
    """The claims of both sources; what the userinfo endpoint says is newer and wins."""
    return {**id_token, **userinfo}


def list_claim(claims: Claims, field: str) -> tuple[str, ...]:
    """The values of a claim, in order and without repeats (reference 4.3, step 2).

    Absent or null: none. A list of texts: those. One text: one value, the empty text none. A text with
    commas is not split, and anything else is not guessed at: both are a ClaimError.
    """
    value = claims.get(field)
    match value:
        case None | "":
            return ()
        case str():
            if "," in value:
                raise ClaimError(
                    field, "it is one text with commas; have the provider send a list of texts instead"
                )
            return (value,)
        case list() | tuple():
            for position, item in enumerate(value):
                if not isinstance(item, str):
                    raise ClaimError(
                        field, f"element {position} is {_kind(item)}, but a list of texts is expected"
                    )
            return tuple(dict.fromkeys(value))
    raise ClaimError(field, f"it is {_kind(value)}, but a list of texts is expected")


def _kind(value: object) -> str:
    """The JSON name of a value's type, with its article."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list() | tuple():
            return "a list"
    return "an object"
