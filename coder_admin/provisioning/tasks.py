"""The one task: somebody elsewhere created a job, look at the queue."""

from __future__ import annotations

from coder_admin.celery import app

from . import wake


@app.task(name="provisioning.drain_queue", ignore_result=True, expires=60)
def drain_queue(tags: dict[str, str]) -> None:
    """Wake the workers of the process that received the message."""
    wake.wake_local(tags)
