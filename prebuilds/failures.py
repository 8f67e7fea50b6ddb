"""Backoff and hard limit from the failed builds of a pool (reference section 2.3). Pure.

A rank counts a preset's latest start builds from the newest, 1 first. Because only the *latest* build of
each workspace has one, deleting a failed prebuild takes its failure out of the count.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from prebuilds.snapshot import BackoffRow


@dataclass(frozen=True, slots=True)
class FailedBuild:
    """A failed start that is still the latest build of a workspace in the pool."""

    preset_id: str
    rank: int
    created_at: datetime
    template_deleted: bool = False


def since_reset(failures: Iterable[FailedBuild], resets: Mapping[str, datetime]) -> list[FailedBuild]:
    """The failures that a reset of their preset did not forgive.

    Ranks stay right: what is newer than a reset is a contiguous beginning of the ranking.
    """
    return [row for row in failures if row.preset_id not in resets or row.created_at > resets[row.preset_id]]


def backoff_rows(
    failures: Iterable[FailedBuild], wanted: Mapping[str, int], lookback_start: datetime
) -> tuple[BackoffRow, ...]:
    """Presets of live templates that have to rest.

    A preset rests when one of its newest N builds failed within the lookback; N is the size wanted now, at
    least 1 (Coder takes the base size, so that a pool sized by schedules alone never rests). `num_failed`
    counts all failures of the lookback, `last_build_at` is the newest among those N.
    """
    recent: defaultdict[str, list[FailedBuild]] = defaultdict(list)
    for row in failures:
        if row.created_at >= lookback_start and not row.template_deleted:
            recent[row.preset_id].append(row)
    rows: list[BackoffRow] = []
    for preset_id, failed in recent.items():
        newest = [row.created_at for row in failed if row.rank <= max(wanted.get(preset_id, 0), 1)]
        if newest:
            rows.append(BackoffRow(preset_id, len(failed), max(newest)))
    return tuple(rows)


def hard_limited_presets(failures: Iterable[FailedBuild], limit: int) -> frozenset[str]:
    """Presets whose newest `limit` builds all failed, whenever that was. A limit of 0 limits nothing."""
    counts: defaultdict[str, int] = defaultdict(int)
    for row in failures:
        if row.rank <= limit:
            counts[row.preset_id] += 1
    return frozenset(preset_id for preset_id, count in counts.items() if limit > 0 and count == limit)
