"""Waking the loop: a hint, after the commit, that a pool may need a pass now.

The timer pass finds the same work; a lost wake-up costs latency only.
"""

from __future__ import annotations

from uuid import UUID

from coder_admin.foundation import events

TOPIC = "prebuilds:wake"


def wake(*, template_id: UUID | str | None = None) -> None:
    """Ask for a pass over one template's pools, or over all of them, once the transaction commits."""
    events.publish(TOPIC, {"template_id": str(template_id)} if template_id else {})
