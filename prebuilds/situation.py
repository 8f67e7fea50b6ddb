"""What the loop would judge by now: snapshot, configuration and pause, from the database."""

from __future__ import annotations

from datetime import datetime

from prebuilds.exchange import Situation
from prebuilds.loader import configured, load_snapshot
from prebuilds.settings import reconciliation_paused


def current_situation(now: datetime) -> Situation:
    """The situation of this deployment, judged as of `now`."""
    config = configured()
    return Situation(now, config, load_snapshot(now, config), paused=reconciliation_paused())
