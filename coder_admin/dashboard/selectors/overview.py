"""The landing page: pools worst first, what needs a person, what happened last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q, QuerySet
from django.urls import reverse

from coder_admin.catalog.models import Template
from coder_admin.dashboard.pools import SUFFICIENT, PoolCard
from coder_admin.organizations.models import PREBUILDS_USER_ID
from coder_admin.provisioning.choices import JobStatus
from coder_admin.workspaces.choices import PrebuildStage, Transition
from coder_admin.workspaces.models import Workspace, WorkspaceBuild
from rbac.model import Subject

from .pools import pool_cards, with_sparks

MAX_CARDS = 12
MAX_LINES = 40
MAX_ATTENTION = 8
MAX_RECENT = 8
RECENT = timedelta(days=1)


@dataclass(frozen=True)
class Item:
    """One line of a list: what happened, where it leads, when."""

    key: str
    title: str
    text: str
    url: str
    at: datetime | None
    tone: str = ""
    status: str = ""


@dataclass(frozen=True)
class Overview:
    """Everything the landing page shows."""

    pools: list[PoolCard]
    worst: list[PoolCard]
    healthy: list[PoolCard]
    pools_hidden: int
    attention: list[Item]
    recent: list[Item]
    running: int
    workspaces: int
    has_templates: bool
    total: int

    @property
    def ready(self) -> int:
        """Prebuilds that could be claimed now."""
        return sum(pool.ready for pool in self.pools)

    @property
    def desired(self) -> int:
        return sum(pool.desired for pool in self.pools)

    @property
    def building(self) -> int:
        return sum(pool.building for pool in self.pools)

    @property
    def claims(self) -> int:
        return sum(pool.claims for pool in self.pools)

    @property
    def hit_rate(self) -> int | None:
        """Per cent of today's requests that a pool served."""
        asked = self.claims + sum(pool.misses for pool in self.pools)
        return round(100 * self.claims / asked) if asked else None

    @property
    def sentence(self) -> str:
        """How it is, in one sentence."""
        if not self.total:
            return "There are no pools yet."
        bad = sum(pool.state in SUFFICIENT for pool in self.pools)
        filling = sum(pool.state == "filling" for pool in self.pools)
        if bad:
            return f"{bad} of {self.total} pools need a look." if self.total > 1 else "The pool needs a look."
        if filling:
            verb = "is" if filling == 1 else "are"
            return f"{filling} of {self.total} pools {verb} filling, nothing needs a person."
        return "All pools are as wanted." if self.total > 1 else "The pool is as wanted."


def overview(viewer: Subject, now: datetime, *, organization: str = "") -> Overview:
    """Read everything for one viewer; the number of queries does not grow with what there is."""
    cards = pool_cards(viewer, now, organization=organization)
    worst = with_sparks([card for card in cards if not card.healthy][:MAX_CARDS], now)
    healthy = [card for card in cards if card.healthy][:MAX_LINES]
    rows = _own_scope(viewer, organization)
    counts = rows.exclude(owner_id=PREBUILDS_USER_ID).aggregate(
        total=Count("pk"),
        running=Count(
            "pk",
            filter=Q(
                latest_build__transition=Transition.START, latest_build__job__job_status=JobStatus.SUCCEEDED
            ),
        ),
    )
    shown = worst + healthy
    return Overview(
        pools=shown,
        worst=worst,
        healthy=healthy,
        pools_hidden=len(cards) - len(shown),
        attention=_attention(viewer, cards, now, organization),
        recent=_recent(viewer, organization),
        running=counts["running"],
        workspaces=counts["total"],
        has_templates=bool(cards) or Template.objects.live().visible_to(viewer).exists(),
        total=len(cards),
    )


def _own_scope(viewer: Subject, organization: str) -> QuerySet[Workspace]:
    rows = Workspace.objects.visible_to(viewer).live()
    return rows.filter(organization__name=organization) if organization else rows


def _builds(viewer: Subject, organization: str) -> QuerySet[WorkspaceBuild]:
    rows = WorkspaceBuild.objects.visible_to(viewer).select_related(
        "workspace__owner", "workspace__template", "initiator", "job", "template_version_preset"
    )
    return rows.filter(workspace__organization__name=organization) if organization else rows


def _url(build: WorkspaceBuild) -> str:
    return reverse(
        "dashboard:build", args=(build.workspace.owner.username, build.workspace.name, build.build_number)
    )


def _attention(viewer: Subject, cards: Sequence[PoolCard], now: datetime, organization: str) -> list[Item]:
    items = [
        Item(
            key=f"pool-{card.preset_id}",
            title=f"{card.name} of {card.template_label}",
            text=card.sentence,
            url=card.url,
            at=card.failed_at,
            tone="bad" if card.state in ("hard_limited", "validation_failed", "failing") else "warn",
        )
        for card in cards
        if card.state in SUFFICIENT
    ]
    failed = (
        _builds(viewer, organization)
        .filter(
            latest_of__isnull=False,
            latest_of__deleted=False,
            job__job_status=JobStatus.FAILED,
            created_at__gte=now - RECENT,
        )
        .exclude(workspace__owner_id=PREBUILDS_USER_ID)
        .order_by("-created_at")[:MAX_ATTENTION]
    )
    items += [
        Item(
            key=f"build-{build.pk}",
            title=f"{build.workspace.owner.username}/{build.workspace.name} failed to {build.transition}",
            text=build.job.error.partition("\n")[0][:200],
            url=_url(build),
            at=build.created_at,
            tone="bad",
        )
        for build in failed
    ]
    return items[:MAX_ATTENTION]


_DONE = {Transition.START: "start", Transition.STOP: "stop", Transition.DELETE: "deletion"}


def _recent(viewer: Subject, organization: str) -> list[Item]:
    rows = _builds(viewer, organization).order_by("-created_at")[:MAX_RECENT]
    return [
        Item(
            key=str(build.pk),
            title=_recent_title(build),
            text=f"{build.workspace.template.label}, build {build.build_number}, {build.initiator.username}",
            url=_url(build),
            at=build.created_at,
            status=build.job.job_status,
        )
        for build in rows
    ]


def _recent_title(build: WorkspaceBuild) -> str:
    who = f"{build.workspace.owner.username}/{build.workspace.name}"
    if build.prebuild_stage == PrebuildStage.CLAIM:
        return f"Claim of {who}"
    if build.workspace.is_prebuild:
        return f"Prebuild {build.workspace.name}: {_DONE[Transition(build.transition)]}"
    return f"{who}: {_DONE[Transition(build.transition)]}"
