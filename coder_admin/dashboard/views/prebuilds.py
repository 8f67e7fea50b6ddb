"""All pools, and pausing them."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings as deployment
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from coder_admin.dashboard.access import may_pause_prebuilds
from coder_admin.dashboard.http import ViewerRequest, command, draw, page
from coder_admin.dashboard.live import topics_of_lists
from coder_admin.dashboard.pools import SUFFICIENT, PoolCard
from coder_admin.dashboard.selectors.pools import pool_cards
from coder_admin.foundation.errors import Invalid, Validation
from coder_admin.foundation.pagination import Page, bounds
from prebuilds import services


@dataclass(frozen=True)
class Loop:
    """How the deployment keeps its pools; durations in seconds."""

    interval: float
    backoff: float
    lookback: float
    limit: int


@page
def settings(request: ViewerRequest) -> HttpResponse:
    """Every pool, worst first, and the switch for all of them."""
    cards = pool_cards(request.viewer, timezone.now(), organization=request.GET.get("organization", ""))
    limit, offset = bounds(request.GET, default=50)
    shown = cards[offset : offset + limit]
    context: dict[str, object] = {
        "pools": shown,
        "page": Page(items=shown, count=len(cards), limit=limit, offset=offset),
        "sentence": _sentence(cards),
        "may_pause": may_pause_prebuilds(request.viewer),
        "topics": topics_of_lists(request.viewer, "pools"),
        "loop": Loop(
            interval=deployment.PREBUILDS_RECONCILIATION_INTERVAL,
            backoff=deployment.PREBUILDS_BACKOFF_INTERVAL,
            lookback=deployment.PREBUILDS_BACKOFF_LOOKBACK,
            limit=deployment.PREBUILDS_FAILURE_HARD_LIMIT,
        ),
    }
    return draw(request, "prebuilds/settings.html", context)


def _sentence(cards: list[PoolCard]) -> str:
    if not cards:
        return "No preset keeps a pool."
    bad = sum(card.state in SUFFICIENT for card in cards)
    ready, wanted = sum(card.ready for card in cards), sum(card.desired for card in cards)
    look = f" {bad} of {len(cards)} pools need a look." if bad else ""
    return f"{ready} of {wanted} wanted prebuilds are ready.{look}"


@command
def pause(request: ViewerRequest) -> HttpResponse:
    """Pause or resume the reconciliation of all pools."""
    wanted = request.POST.get("paused", "")
    if wanted not in ("true", "false"):
        raise Invalid("Say whether to pause.", validations=[Validation("paused", "must be true or false")])
    services.settings_update(actor=request.viewer, reconciliation_paused=wanted == "true")
    messages.success(request, "Prebuilds are paused." if wanted == "true" else "Prebuilds are resumed.")
    return HttpResponseRedirect(reverse("dashboard:prebuilds"))
