"""A pool as its card shows it: counts, the segments of the bar, how bad it is. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from coder_admin.dashboard.charts import Spark
from prebuilds.actions import Backoff
from prebuilds.selectors import PoolStatus
from prebuilds.snapshot import PrebuildStatus

SCALE = 100
"""Units of the bar's view box for one prebuild; the gaps between them are strokes."""

WORST_FIRST = (
    "hard_limited",
    "validation_failed",
    "failing",
    "backoff",
    "paused",
    "filling",
    "shrinking",
    "ready",
    "empty",
    "off",
)
HEALTHY = frozenset({"ready", "empty", "off"})
SUFFICIENT = frozenset({"hard_limited", "validation_failed", "failing", "backoff", "paused"})
"""States that a person should look at."""


@dataclass(frozen=True)
class Segment:
    """One part of the bar, in the units of its view box."""

    x: int
    width: int
    tone: str


@dataclass(frozen=True)
class Names:
    """How a pool is called and where its pages are."""

    name: str
    url: str
    template_label: str
    template_url: str
    version_name: str
    organization_label: str = ""


@dataclass(frozen=True)
class PoolCard:
    """Everything that `components/pool_card.html` draws."""

    preset_id: str
    names: Names
    state: str
    desired: int
    ready: int
    building: int
    failed: int
    expired: int
    sentence: str
    why: tuple[str, ...]
    error: str = ""
    error_url: str = ""
    failed_at: datetime | None = None
    next_change: datetime | None = None
    next_size: int = 0
    resettable: bool = False
    claims: int = 0
    misses: int = 0
    segments: tuple[Segment, ...] = ()
    bar_width: int = SCALE
    track_width: int = SCALE
    stored: str = ""
    live: str = ""
    template_id: str = ""
    spark: Spark | None = None

    @property
    def name(self) -> str:
        return self.names.name

    @property
    def url(self) -> str:
        return self.names.url

    @property
    def template_label(self) -> str:
        return self.names.template_label

    @property
    def template_url(self) -> str:
        return self.names.template_url

    @property
    def version_name(self) -> str:
        return self.names.version_name

    @property
    def organization_label(self) -> str:
        return self.names.organization_label

    @property
    def stored_is_past(self) -> bool:
        """Whether the stored status no longer holds: the limit was lifted without a reset."""
        return self.stored != self.live

    @property
    def hit_rate(self) -> int:
        """Per cent of requests of the last 24 hours that the pool served."""
        asked = self.claims + self.misses
        return round(100 * self.claims / asked) if asked else 0

    @property
    def healthy(self) -> bool:
        """Whether one line is enough."""
        return self.state in HEALTHY

    @property
    def badge_text(self) -> str:
        """The badge's words where numbers say more than the state's name."""
        return f"{self.ready} of {self.desired} ready" if self.state in ("ready", "filling") else ""

    @property
    def badness(self) -> tuple[int, int, str]:
        """Sort key: worst first, then the emptiest, then by name."""
        return WORST_FIRST.index(self.state), self.ready - self.desired, self.names.name.casefold()


def pool_state(pool: PoolStatus, *, paused: bool) -> str:
    """The one word for a pool (a key of the `pool` looks)."""
    state, actions = pool.state, pool.explanation.actions
    if not pool.preset.is_active:
        return "off"
    if pool.condition is PrebuildStatus.HARD_LIMITED:
        return "hard_limited"
    if pool.condition is PrebuildStatus.VALIDATION_FAILED:
        return "validation_failed"
    if any(isinstance(action, Backoff) for action in actions):
        return "backoff"
    if paused and actions:
        return "paused"
    if state.desired == 0 and state.actual == 0 and state.starting == 0:
        return "empty"
    if state.eligible >= state.desired:
        return "shrinking" if state.extraneous or state.desired == 0 else "ready"
    return "failing" if pool.failed and not pool.starting else "filling"


def pool_card(pool: PoolStatus, names: Names, *, paused: bool, error_url: str = "") -> PoolCard:
    """Draw one pool from what the reconciler thinks of it."""
    failure, change = pool.last_failure, pool.next_change
    segments, width, track = bar(
        desired=pool.wish,
        parts=(("ok", pool.ready), ("info", pool.starting), ("warn", pool.expired), ("bad", pool.failed)),
    )
    return PoolCard(
        preset_id=pool.preset.id,
        names=names,
        state=pool_state(pool, paused=paused),
        desired=pool.wish,
        ready=pool.ready,
        building=pool.starting,
        failed=pool.failed,
        expired=pool.expired,
        sentence=pool.sentence,
        why=pool.why,
        error=pool.refusal or (failure.error if failure else ""),
        error_url="" if pool.refusal else error_url,
        failed_at=failure.at if failure else None,
        next_change=change.at if change else None,
        next_size=change.instances if change else 0,
        resettable=pool.resettable,
        claims=pool.demand.claims,
        misses=pool.demand.misses,
        segments=segments,
        bar_width=width,
        track_width=track,
        stored=pool.preset.prebuild_status.value,
        live=pool.condition.value,
        template_id=pool.preset.template_id,
    )


def bar(*, desired: int, parts: Iterable[tuple[str, int]]) -> tuple[tuple[Segment, ...], int, int]:
    """Segments of the bar, the width of its view box and that of the track (the wanted size).

    One prebuild is `SCALE` units wide; the box holds the wanted size or everything there is, whichever is
    more. Above 40 prebuilds a part is one block, since single ones could not be told apart.
    """
    given = [(tone, count) for tone, count in parts if count > 0]
    total = max(desired, sum(count for _, count in given), 1)
    segments: list[Segment] = []
    x = 0
    for tone, count in given:
        pieces = [count] if total > 40 else [1] * count
        for piece in pieces:
            segments.append(Segment(x * SCALE, piece * SCALE, tone))
            x += piece
    return tuple(segments), total * SCALE, desired * SCALE
