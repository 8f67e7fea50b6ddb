"""From where a request comes: kept for the audit rows that its services write."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

USER_AGENT_LENGTH = 256


@dataclass(frozen=True)
class RequestContext:
    """Address, program and id of the request being served; outside of one, only a fresh id."""

    ip: str | None = None
    user_agent: str = ""
    request_id: uuid.UUID = field(default_factory=uuid.uuid4)


_current: ContextVar[RequestContext | None] = ContextVar("audit_request_context", default=None)


def current() -> RequestContext:
    """The context of the running request, or an empty one in commands and background work."""
    return _current.get() or RequestContext()


@contextmanager
def request_context(context: RequestContext) -> Iterator[None]:
    """Work done inside is audited as coming from `context`."""
    token = _current.set(context)
    try:
        yield
    finally:
        _current.reset(token)
