"""Waking the loop: a hint, after the commit, that a pool may need a pass now.

Other rooms know no pools; they announce what changed (`pools:<org>` when a prebuild's build or agent did,
`template:<id>` when a template did). `forward_announcements` turns these, in every process, into wake-ups.
The timer pass finds the same work; a lost wake-up costs latency only.
"""

from __future__ import annotations

from uuid import UUID

from coder_admin.foundation import events

TOPIC = "prebuilds:wake"


def wake(*, template_id: UUID | str | None = None) -> None:
    """Ask for a pass over one template's pools, or over all of them, once the transaction commits."""
    events.publish(TOPIC, {"template_id": str(template_id)} if template_id else {})


def forward_announcements() -> None:
    """From now on, wake the loop when this process announces a change that concerns pools."""
    events.subscribe("pools:", _on_pool)
    events.subscribe("template:", _on_template)


def _on_pool(_topic: str, event: events.Event) -> None:
    wake(template_id=event.get("template_id"))


def _on_template(topic: str, _event: events.Event) -> None:
    wake(template_id=topic.partition(":")[2])
