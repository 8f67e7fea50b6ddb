"""By which methods a person gets one kind of message. Pure: rows come in as plain values."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from .models import Method

WHOLE = ""  # the key of the choice that is about the kind itself


@dataclass(frozen=True, slots=True)
class Ways:
    """`usual`: what somebody without preferences gets; `possible`: everything they could choose."""

    usual: tuple[Method, ...] = ()
    possible: tuple[Method, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """What one person stored about one kind: `disabled` by method, "" for the kind as a whole."""

    disabled: Mapping[str, bool] = field(default_factory=dict)

    def methods(self, ways: Ways, *, enabled_by_default: bool) -> tuple[Method, ...]:
        """The methods to send by, the inbox last; none when the person does not want the kind."""
        if self.disabled.get(WHOLE, not enabled_by_default):
            return ()
        return tuple(m for m in ways.possible if not self.disabled.get(m, m not in ways.usual))


def rows_for(wanted: Collection[str], ways: Ways, *, enabled_by_default: bool) -> dict[str, bool]:
    """The `disabled` values to store so that exactly `wanted` are used; what is usual needs none.

    The kind itself is stored when that differs from its default, or when nothing of it is wanted.
    """
    chosen = {str(method) for method in wanted}
    if not chosen:
        return {WHOLE: True} if enabled_by_default else {}
    rows = {} if enabled_by_default else {WHOLE: False}
    for method in ways.possible:
        if (method in chosen) != (method in ways.usual):
            rows[str(method)] = method not in chosen
    return rows


def ways_of(external: Method | None, available: Iterable[Method], *, inbox: bool) -> Ways:
    """`external`: the kind's or the deployment's method, None when it is not configured."""
    end = (Method.INBOX,) if inbox else ()
    usual = ((external,) if external is not None else ()) + end
    return Ways(usual=usual, possible=(*available, *end))
