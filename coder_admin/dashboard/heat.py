"""The week of a pool as a table of 7 days and 24 hours. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from prebuilds.desired import WeekMap

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
SHADES = 4


@dataclass(frozen=True)
class Cell:
    """One hour: the wanted size as text and shade (0 to 4); an hour that the clock skips has a dash."""

    text: str
    shade: int
    is_now: bool


@dataclass(frozen=True)
class Row:
    """One day."""

    label: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class HeatMap:
    """What `components/heat_map.html` draws."""

    zone: str
    rows: tuple[Row, ...]
    hours: tuple[str, ...] = tuple(f"{hour:02}" for hour in range(24))


def heat_map(week: WeekMap, now: datetime) -> HeatMap:
    """Shades grow with the size, relative to the largest of the week."""
    zone = week.timezone or "UTC"
    local = now.astimezone(ZoneInfo(zone))
    largest = max((size or 0 for day in week.hours for size in day), default=0)
    rows = []
    for number, sizes in enumerate(week.hours):
        today = (local.date() - week.monday).days == number
        cells = tuple(
            Cell(
                text="–" if size is None else str(size),
                shade=shade(size or 0, largest),
                is_now=today and hour == local.hour,
            )
            for hour, size in enumerate(sizes)
        )
        rows.append(Row(DAYS[number], cells))
    return HeatMap(zone, tuple(rows))


def shade(size: int, largest: int) -> int:
    """0 for nothing, else 1 to 4: the largest size of the week is the darkest."""
    if size <= 0 or largest <= 0:
        return 0
    return max(1, -(-SHADES * size // largest))
