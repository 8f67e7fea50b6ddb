"""Waking the loop: a hint, after the commit, that a pool may need a pass now.

Other rooms know no pools; they announce what changed (`pools:<org>` when a prebuild's build or agent did,
`template:<id>` when a template did). `forward_announcements` turns these, in every process, into wake-ups.
The timer pass finds the same work; a lost wake-up costs latency only.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from uuid import UUID

import structlog
from channels.layers import get_channel_layer

from coder_admin.foundation import events

log = structlog.get_logger("coderd.prebuilds")

TOPIC = "prebuilds:wake"
_RETRY_SECONDS = 5.0


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


class LayerListener:
    """Receives wake-ups of other processes over the channel layer, in a thread of its own.

    Does nothing with the in-memory layer: there, every publisher lives in this process.
    """

    def __init__(self, callback: Callable[[str, events.Event], None]) -> None:
        self._callback = callback
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._thread: threading.Thread | None = None
        self._stopping = False

    def start(self) -> None:
        layer = get_channel_layer()
        if layer is None or type(layer).__name__ == "InMemoryChannelLayer":
            return
        self._thread = threading.Thread(target=self._run, name="prebuilds-wake", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        loop, task = self._loop, self._task
        if loop is not None and task is not None and loop.is_running():
            loop.call_soon_threadsafe(task.cancel)
        if self._thread is not None:
            self._thread.join(timeout=5)
            self._thread = None

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except asyncio.CancelledError:
            return

    async def _main(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        while not self._stopping:
            try:
                await self._receive()
            except OSError as error:
                log.warning("wake-ups of other processes are not received", error=str(error))
            except Exception:
                log.exception("wake-ups of other processes are not received")
            await asyncio.sleep(_RETRY_SECONDS)

    async def _receive(self) -> None:
        layer = get_channel_layer()
        channel = await layer.new_channel()
        await layer.group_add(events.group_name(TOPIC), channel)
        # A pass over everything finds what was announced before this moment.
        self._callback(TOPIC, {})
        while True:
            message = await layer.receive(channel)
            self._callback(TOPIC, message.get("event", {}))
