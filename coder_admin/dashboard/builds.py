"""How long a job took or has been running, and what its time went into. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from coder_admin.dashboard.templatetags.ui import short_duration
from coder_admin.provisioning.models import ProvisionerJob


def took_seconds(job: ProvisionerJob, now: datetime) -> float | None:
    """Seconds from the start to the end, or until now; None while nobody has taken it."""
    if job.started_at is None:
        return None
    return max(0.0, ((job.completed_at or now) - job.started_at).total_seconds())


@dataclass(frozen=True)
class TimingRow:
    """One stretch of a build. `start` and `width` place its bar, in per cent of the whole."""

    what: str
    which: str
    seconds: float
    start: float
    width: float

    @property
    def took(self) -> str:
        """Short stretches in milliseconds, all others as durations are shown everywhere."""
        return f"{self.seconds * 1000:.0f} ms" if self.seconds < 1 else short_duration(self.seconds)


def timing_rows(spans: Sequence[tuple[str, str, datetime, datetime]]) -> list[TimingRow]:
    """(what, which, from, to) as rows in the order of their beginning, on one axis."""
    if not spans:
        return []
    first = min(begin for _, _, begin, _ in spans)
    whole = max((end - first).total_seconds() for _, _, _, end in spans) or 1.0
    return [
        TimingRow(
            what=what,
            which=which,
            seconds=max(0.0, (end - begin).total_seconds()),
            start=round((begin - first).total_seconds() / whole * 100, 2),
            width=round(max(0.5, (end - begin).total_seconds() / whole * 100), 2),
        )
        for what, which, begin, end in sorted(spans, key=lambda span: span[2])
    ]
