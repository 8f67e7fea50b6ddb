"""A job's log as a websocket: what is stored, then what comes, closed at the end of the job.

The rooms that own builds and versions subclass ``JobLogConsumer`` and say which job the path means and
whether the viewer may read it. Frames are one line each, as Coder sends them; ``?batch=1`` sends lists of
lines. A client that was cut off resumes with ``?after=<last id>``. Memory is constant: lines are read in
small batches, and the next batch only when the last one has been sent.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer

from coder_admin.foundation.errors import Invalid, NotFound
from coder_admin.foundation.events import group_name
from coder_admin.organizations.guarded import Guarded
from rbac.model import Subject

from . import selectors

BATCH = 500
LOOK_EVERY = 5.0  # seconds; an event that was lost costs this much


class JobLogConsumer(Guarded, AsyncWebsocketConsumer):  # type: ignore[misc]  # channels has no types
    """Streams one job's log. Subclasses implement ``find_job``."""

    _pump: asyncio.Task[None] | None = None
    _group = ""
    _job_id: uuid.UUID

    def find_job(self, viewer: Subject, **path: Any) -> uuid.UUID:
        """The job's id, for a viewer who may read its log; raises a ServiceError otherwise."""
        raise NotImplementedError

    def authorise(self) -> None:
        """The job of the path is the viewer's to read, and still the one whose log is shown."""
        found = self.find_job(self.viewer, **self.scope["url_route"]["kwargs"])
        if getattr(self, "_job_id", found) != found:
            raise NotFound
        self._job_id = found

    async def connect(self) -> None:
        query = dict(parse_qsl(self.scope.get("query_string", b"").decode("latin-1")))
        try:
            after, self._before = selectors.log_bounds(query)
        except Invalid as error:
            await self.refuse(error)
            return
        self._batched = query.get("batch") in {"1", "true"}
        self._news = asyncio.Event()
        self._group = group_name(f"job:{self._job_id}")
        # Listen first, then read: a line written in between is found by the reading.
        await self.channel_layer.group_add(self._group, self.channel_name)
        await self.accept()
        self._pump = asyncio.create_task(self._send_until_end(after))

    async def disconnect(self, code: int) -> None:
        if self._group:
            await self.channel_layer.group_discard(self._group, self.channel_name)
        if self._pump is not None and self._pump is not asyncio.current_task():
            self._pump.cancel()

    async def event_message(self, message: dict[str, Any]) -> None:
        """Something happened to the job."""
        self._news.set()

    async def _send_until_end(self, after: int) -> None:
        while True:
            self._news.clear()
            # The state first: lines that come after a job is seen ended do not exist.
            over = await database_sync_to_async(selectors.is_over)(self._job_id)
            after = await self._send_stored(after)
            if over:
                await self.close()
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), LOOK_EVERY)

    async def _send_stored(self, after: int) -> int:
        """Everything that is stored beyond ``after``; the id of the last line."""
        while lines := await database_sync_to_async(self._read)(after):
            after = lines[-1]["id"]
            if self._batched:
                await self.send(text_data=json.dumps(lines))
                continue
            for line in lines:
                await self.send(text_data=json.dumps(line))
        return after

    def _read(self, after: int) -> list[dict[str, Any]]:
        lines = selectors.job_logs(self._job_id, after=after, before=self._before, limit=BATCH)
        return [selectors.log_json(line) for line in lines]
