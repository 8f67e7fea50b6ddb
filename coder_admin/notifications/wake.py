"""Telling the notifiers that something may be due; without it they look every FETCH_INTERVAL."""

from __future__ import annotations

from coder_admin.foundation import events

WAKE = "notifications:wake"


def wake() -> None:
    """Have every notifier look, once the transaction has committed."""
    events.publish(WAKE, {})
