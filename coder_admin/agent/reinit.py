"""Waiting for the news that this prebuild was claimed: a held event stream (reference 3.1)."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from .backoff import Backoff
from .client import Answer, Client, TransportError
from .uplink import note

PATH = "/api/v2/workspaceagents/me/reinit?wait=true"
SILENCE = 60.0  # seconds without even a ping after which the stream counts as lost
SETTLED = 5.0  # a stream that lived this long was a success: the next attempt waits the short time again


class Reinit(NamedTuple):
    workspace_id: str
    reason: str
    owner_id: str
    build_id: str

    @property
    def identity(self) -> tuple[str, str]:
        return self.owner_id, self.build_id


class ReinitListener:
    """Keeps the stream open on a thread of its own and hands each event to `on_event`.

    Whether an event is news is for the receiver to say: the server repeats it on every new connection
    for as long as the claim's build is the latest, so that no agent misses its claim.
    """

    def __init__(self, client: Client, on_event: Callable[[Reinit], None]) -> None:
        self._client = client
        self._on_event = on_event

    def start(self) -> None:
        threading.Thread(target=self._listen_forever, name="reinit", daemon=True).start()

    def _listen_forever(self) -> None:
        backoff = Backoff()
        while True:
            opened = time.monotonic()
            try:
                if self._listen():
                    return
            except TransportError as error:
                note(f"reinit stream lost: {error}")
            if time.monotonic() - opened > SETTLED:
                backoff.reset()
            time.sleep(backoff.next())

    def _listen(self) -> bool:
        """Read one stream to its end. True when the server says that there will never be an event."""
        for event in _events(self._client.stream(PATH, SILENCE)):
            if isinstance(event, Answer):
                if event.status == 409:
                    return True
                raise TransportError(f"answer {event.status}: {event.message}")
            self._on_event(event)
        return False


def _events(lines: Iterable[str | Answer]) -> Iterator[Reinit | Answer]:
    """Group the lines of an event stream into reinit events; pings and comments are skipped."""
    data: list[str] = []
    kind = ""
    for line in lines:
        if isinstance(line, Answer):
            yield line
        elif line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif line.startswith("event:"):
            kind = line[6:].strip()
        elif not line:
            event = _event(kind, "\n".join(data))
            data, kind = [], ""
            if event is not None:
                yield event


def _event(kind: str, data: str) -> Reinit | None:
    if kind == "ping" or not data:
        return None
    try:
        found = json.loads(data)
        return Reinit(
            str(found["WorkspaceID"]),
            str(found.get("reason", "")),
            str(found.get("OwnerID", "")),
            str(found.get("BuildID", "")),
        )
    except (ValueError, KeyError, AttributeError, TypeError):
        note(f"an event of the reinit stream cannot be read: {data[:200]}")
        return None
