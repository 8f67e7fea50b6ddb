"""Frames of the dynamic parameter websocket (reference dynamic-parameters 2.3, 2.4)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from coder_admin.foundation.errors import Invalid

FIRST_ID = -1
MAX_FRAME_BYTES = 32_768
IDLE_SECONDS = 30 * 60
NIL = UUID(int=0)

GOING_AWAY = 1001
TOO_BIG = 1009


class FrameError(ValueError):
    """A frame that is no request; the text says why and what is expected."""


@dataclass(frozen=True, slots=True)
class FormRequest:
    """One request: the whole state of the form. ``owner_id`` None = the owner used last."""

    id: int = 0
    inputs: Mapping[str, str] = field(default_factory=dict)
    owner_id: UUID | None = None


def parse_frame(text: str | None) -> FormRequest:
    """The request in a text frame. Raises FrameError."""
    if text is None:
        raise FrameError("Binary frames are not understood: send one JSON object as text.")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise FrameError('The frame is not JSON: send {"id": 1, "inputs": {"name": "text"}}.') from None
    return parse_request(data)


def parse_request(data: Any) -> FormRequest:
    """The request in decoded JSON; null stands for absent. Raises FrameError."""
    if not isinstance(data, dict):
        raise FrameError("A request is a JSON object with id, inputs and owner_id.")
    number, inputs, owner = data.get("id"), data.get("inputs"), data.get("owner_id")
    number = 0 if number is None else number
    if not isinstance(number, int) or isinstance(number, bool) or not -(2**63) <= number < 2**63:
        raise FrameError('"id" must be a whole number.')
    inputs = {} if inputs is None else inputs
    if not isinstance(inputs, dict) or not all(isinstance(value, str) for value in inputs.values()):
        raise FrameError(
            '"inputs" must be an object of texts: numbers, bools and lists are sent as text, too.'
        )
    if not all(_is_text(part) for pair in inputs.items() for part in pair):
        raise FrameError('"inputs" holds half of a surrogate pair (\\ud800 to \\udfff), which is no text.')
    return FormRequest(number, inputs, _owner(owner))


def _is_text(value: str) -> bool:
    """Whether it can be sent back: JSON can spell lone surrogates, UTF-8 cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _owner(text: Any) -> UUID | None:
    if text in (None, ""):
        return None
    try:
        owner = UUID(text)
    except (ValueError, AttributeError, TypeError):
        raise FrameError('"owner_id" must be a UUID.') from None
    return None if owner == NIL else owner


def response_id(last: int, requested: int) -> int:
    """The id of the next response: the request's if it moves forward, else the next number."""
    return requested if requested > last else last + 1


def owner_of_query(text: str, *, default: UUID) -> UUID:
    """``user_id`` of the socket's address; absent, empty and ``me`` are the caller. Raises Invalid."""
    if text in ("", "me"):
        return default
    try:
        return UUID(text)
    except ValueError as problem:
        raise Invalid("Invalid user_id query parameter", detail=str(problem)) from None
