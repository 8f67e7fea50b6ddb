"""Where the time of a build went, as bars on one scale: queue, stages, resources, agents. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

WIDTH = 1_000  # units of the drawing; it is as wide as its container
LEAST = 4  # units; what took no time at all is still seen
MOST_ROWS = 60

STAGES = {"init": "Reading the template", "plan": "Planning", "graph": "Graph", "apply": "Applying"}


@dataclass(frozen=True)
class Span:
    """Something that took time. ``inner``: a part of the stage above it."""

    label: str
    kind: str
    started_at: datetime
    ended_at: datetime | None
    inner: bool = False


@dataclass(frozen=True)
class Bar:
    """One row of the picture; ``x`` and ``width`` in units."""

    label: str
    kind: str
    tone: str
    inner: bool
    x: int
    width: int
    took: str
    after: str


@dataclass(frozen=True)
class Timeline:
    """What ``components/timings.html`` draws. ``left_out``: rows beyond the bound."""

    bars: tuple[Bar, ...]
    total: str
    left_out: int = 0
    width: int = WIDTH


TONES = {"queue": "idle", "agent": "ok", "script": "ok"}


def timeline(spans: Iterable[Span], *, now: datetime) -> Timeline | None:
    """The picture; None when there is nothing to show yet. Rows stay in the given order."""
    rows = list(spans)
    if not rows:
        return None
    begin = min(span.started_at for span in rows)
    end = max((span.ended_at or now) for span in rows)
    total = max((end - begin).total_seconds(), 0.001)
    shown = rows if len(rows) <= MOST_ROWS else _longest(rows, now)
    bars = tuple(_bar(span, begin, total, now) for span in shown)
    return Timeline(bars, seconds_text(total), len(rows) - len(shown))


def _longest(rows: list[Span], now: datetime) -> list[Span]:
    """Every stage, and of their parts those that took longest, in the given order."""
    parts = [n for n, span in enumerate(rows) if span.inner]
    parts.sort(key=lambda n: _seconds(rows[n], now), reverse=True)
    left = max(0, MOST_ROWS - (len(rows) - len(parts)))
    kept = set(parts[:left])
    return [span for n, span in enumerate(rows) if not span.inner or n in kept]


def _bar(span: Span, begin: datetime, total: float, now: datetime) -> Bar:
    after = (span.started_at - begin).total_seconds()
    took = _seconds(span, now)
    x = min(round(WIDTH * after / total), WIDTH - LEAST)
    width = min(max(round(WIDTH * took / total), LEAST), WIDTH - x)
    tone = TONES.get(span.kind, "info")
    text = seconds_text(took) if span.ended_at is not None else f"{seconds_text(took)} so far"
    return Bar(span.label, span.kind, tone, span.inner, x, width, text, seconds_text(after))


def _seconds(span: Span, now: datetime) -> float:
    return max(0.0, ((span.ended_at or now) - span.started_at).total_seconds())


def seconds_text(seconds: float) -> str:
    """``4 ms``, ``3.1 s``, ``1 min 20 s``."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
