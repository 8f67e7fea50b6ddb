"""How a pool was over time, as paths for SVG: a small line for its card, a stacked timeline. Pure.

Samples hold until the next one, so everything is drawn in steps. Coordinates are units of the view box.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise

from prebuilds.samples import Counts, Sample

SPARK_WIDTH, SPARK_HEIGHT = 240, 32
WIDTH, HEIGHT = 960, 200
LEFT, RIGHT, TOP, BOTTOM = 28, 952, 24, 176
# Bottom to top: name, tone of the state colours, count.
LAYERS: tuple[tuple[str, str, Callable[[Counts], int]], ...] = (
    ("ready", "ok", lambda counts: counts.ready),
    ("building", "info", lambda counts: counts.building),
    ("expired", "warn", lambda counts: counts.expired),
    ("deleting", "idle", lambda counts: counts.deleting),
)


@dataclass(frozen=True)
class Spark:
    """Ready against wanted: two paths and what they say."""

    ready: str
    desired: str
    text: str
    width: int = SPARK_WIDTH
    height: int = SPARK_HEIGHT


@dataclass(frozen=True)
class Happening:
    """A claim or a miss; `waited` seconds where that is known."""

    at: datetime
    is_miss: bool
    waited: float | None = None


@dataclass(frozen=True)
class Tick:
    """A label at the axis."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Layer:
    """One stacked state."""

    name: str
    tone: str
    path: str


@dataclass(frozen=True)
class Mark:
    """A claim or a miss on the timeline."""

    x: float
    is_miss: bool
    text: str


@dataclass(frozen=True)
class Slot:
    """A stretch of the timeline in numbers: lowest ready, highest of the rest; a column and a table row."""

    key: str
    x: float
    width: float
    begin: datetime
    end: datetime
    counts: Counts | None
    desired_low: int = 0
    claims: int = 0
    misses: int = 0

    @property
    def wanted(self) -> str:
        """The wanted size, or its range."""
        if self.counts is None:
            return "–"
        high = self.counts.desired
        return str(high) if self.desired_low == high else f"{self.desired_low} to {high}"

    @property
    def text(self) -> str:
        """What pointing at the column reads."""
        if self.counts is None:
            return "no data"
        parts = [f"{self.wanted} wanted", f"{self.counts.ready} ready at least"]
        parts += [f"{self.claims} claimed"] if self.claims else []
        parts += [f"{self.misses} missed"] if self.misses else []
        return ", ".join(parts)


@dataclass(frozen=True)
class Timeline:
    """What `components/pool_timeline.html` draws."""

    layers: tuple[Layer, ...]
    desired: str
    marks: tuple[Mark, ...]
    ticks: tuple[Tick, ...]
    levels: tuple[Tick, ...]
    slots: tuple[Slot, ...]
    text: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = RIGHT
    top: int = TOP
    bottom: int = BOTTOM


@dataclass(frozen=True)
class _Axes:
    """From instants and counts to units."""

    since: datetime
    until: datetime
    top_count: int
    left: float
    right: float
    top: float
    bottom: float

    def x(self, at: datetime) -> float:
        share = (at - self.since) / (self.until - self.since)
        return round(self.left + min(max(share, 0.0), 1.0) * (self.right - self.left), 1)

    def y(self, count: float) -> float:
        return round(self.bottom - count / max(self.top_count, 1) * (self.bottom - self.top), 1)


def spark(samples: Sequence[Sample], since: datetime, until: datetime) -> Spark | None:
    """The small line of a card; None while there is nothing to show."""
    if not samples:
        return None
    top = max(max(s.counts.ready, s.counts.desired) for s in samples)
    axes = _Axes(since, until, top, 0, SPARK_WIDTH, 2, SPARK_HEIGHT - 2)
    ready = [sample.counts.ready for sample in samples]
    desired = [sample.counts.desired for sample in samples]
    return Spark(
        ready=_area(axes, samples, lambda counts: 0, lambda counts: counts.ready),
        desired=_line(axes, samples, lambda counts: counts.desired),
        text=f"In the last 24 hours {_span(ready)} ready, {_span(desired)} wanted",
    )


def timeline(
    samples: Sequence[Sample],
    happenings: Sequence[Happening],
    since: datetime,
    until: datetime,
    *,
    slot: timedelta,
    zone: tzinfo,
) -> Timeline | None:
    """The stacked states of a pool, its wanted size, claims and misses; None without any sample."""
    if not samples:
        return None
    top = max(
        max(s.counts.desired, sum(count(s.counts) for _, _, count in LAYERS), 1) for s in samples
    )  # fmt: skip
    axes = _Axes(since, until, top, LEFT, RIGHT, TOP, BOTTOM)
    slots = tuple(_slots(axes, samples, happenings, slot, zone))
    claims, misses = sum(s.claims for s in slots), sum(s.misses for s in slots)
    ready = [sample.counts.ready for sample in samples]
    return Timeline(
        layers=tuple(_layers(axes, samples)),
        desired=_line(axes, samples, lambda counts: counts.desired),
        marks=tuple(_mark(axes, happening, zone) for happening in happenings),
        ticks=tuple(_ticks(axes, slots, zone, slot)),
        levels=tuple(Tick(LEFT - 6, axes.y(count), str(count)) for count in _levels(top)),
        slots=slots,
        text=f"{_span(ready)} ready, {claims} claimed and {misses} missed; the table below has the numbers.",
    )


def _span(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low} to {high}"


def _steps(
    axes: _Axes, samples: Sequence[Sample], value: Callable[[Counts], int]
) -> list[tuple[float, float]]:
    points: list[tuple[float, float]] = []
    for number, sample in enumerate(samples):
        end = samples[number + 1].at if number + 1 < len(samples) else axes.until
        y = axes.y(value(sample.counts))
        points += [(axes.x(sample.at), y), (axes.x(end), y)]
    return points


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points)


def _line(axes: _Axes, samples: Sequence[Sample], value: Callable[[Counts], int]) -> str:
    return _path(_steps(axes, samples, value))


def _area(
    axes: _Axes, samples: Sequence[Sample], low: Callable[[Counts], int], high: Callable[[Counts], int]
) -> str:
    return _path([*_steps(axes, samples, high), *reversed(_steps(axes, samples, low))]) + "Z"


def _layers(axes: _Axes, samples: Sequence[Sample]) -> list[Layer]:
    layers = []
    for number, (name, tone, count) in enumerate(LAYERS):
        below = [part for _, _, part in LAYERS[:number]]

        def low(counts: Counts, below: list[Callable[[Counts], int]] = below) -> int:
            return sum(part(counts) for part in below)

        def high(
            counts: Counts,
            low: Callable[[Counts], int] = low,
            count: Callable[[Counts], int] = count,
        ) -> int:
            return low(counts) + count(counts)

        if any(count(sample.counts) for sample in samples):
            layers.append(Layer(name, tone, _area(axes, samples, low, high)))
    return layers


def _mark(axes: _Axes, happening: Happening, zone: tzinfo) -> Mark:
    at = happening.at.astimezone(zone).strftime("%H:%M:%S")
    what = "Found the pool empty" if happening.is_miss else "Claimed"
    waited = "" if happening.waited is None else f", waited {happening.waited:.1f} s"
    return Mark(axes.x(happening.at), happening.is_miss, f"{what} at {at}{waited}")


def _levels(top: int) -> list[int]:
    return [0, top] if top < 4 else [0, top // 2, top]


def _slots(
    axes: _Axes, samples: Sequence[Sample], happenings: Sequence[Happening], length: timedelta, zone: tzinfo
) -> list[Slot]:
    """From the newest back to the oldest full hour, so that the edges are hours of the clock."""
    local = axes.until.astimezone(zone)
    begin = axes.until - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    edges = [axes.until]
    while begin > axes.since:
        edges.append(begin)
        begin -= length
    edges.append(axes.since)
    slots = []
    for number, (end, start) in enumerate(pairwise(edges)):
        if start < end:
            slots.append(_slot(axes, samples, happenings, start, end, key=str(number)))
    return slots


def _slot(
    axes: _Axes,
    samples: Sequence[Sample],
    happenings: Sequence[Happening],
    begin: datetime,
    end: datetime,
    *,
    key: str,
) -> Slot:
    held = [
        sample.counts
        for number, sample in enumerate(samples)
        if sample.at < end and (number + 1 == len(samples) or samples[number + 1].at > begin)
    ]
    mine = [happening for happening in happenings if begin <= happening.at < end]
    x = axes.x(begin)
    slot = Slot(key, x, round(axes.x(end) - x, 1), begin, end, None)
    if held:
        lowest = min(held, key=lambda counts: counts.ready)
        most = {
            name: max(getattr(counts, name) for counts in held)
            for name in ("desired", "unready", "expired", "starting", "deleting")
        }
        low = min(counts.desired for counts in held)
        slot = replace(slot, counts=replace(lowest, **most), desired_low=low)
    misses = sum(happening.is_miss for happening in mine)
    return replace(slot, claims=len(mine) - misses, misses=misses)


def _ticks(axes: _Axes, slots: Sequence[Slot], zone: tzinfo, length: timedelta) -> list[Tick]:
    """A label at every fourth edge; days are named where the chart spans several."""
    pattern = "%H:%M" if length < timedelta(hours=2) else "%a %H:%M"
    edges = [slot.begin for slot in slots if slot.begin != axes.since][::4]
    inside = [edge for edge in edges if LEFT + 20 < axes.x(edge) < RIGHT - 20]
    return [Tick(axes.x(edge), BOTTOM + 16, edge.astimezone(zone).strftime(pattern)) for edge in inside]
