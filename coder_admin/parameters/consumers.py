"""The websocket of dynamic parameters (reference dynamic-parameters 2).

Receiving and rendering run side by side: while a render is under way, newer requests replace the one that
waits, and the newest is answered with its id. Rendering happens on threads, the loop only moves frames.
"""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs

import structlog
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer

from coder_admin.catalog.selectors import version_get
from coder_admin.foundation.errors import ServiceError
from coder_admin.organizations.guarded import RefusedBeforeUpgrade
from coder_admin.organizations.models import User
from coder_admin.parameters.form import FIRST, FormSession
from coder_admin.parameters.protocol import (
    GOING_AWAY,
    IDLE_SECONDS,
    MAX_FRAME_BYTES,
    TOO_BIG,
    FormRequest,
    FrameError,
    owner_of_query,
    parse_frame,
)
from coder_admin.parameters.renderer import prepare

log = structlog.get_logger(__name__)

_RENDERERS = ThreadPoolExecutor(max_workers=4, thread_name_prefix="parameters")


class ParametersConsumer(RefusedBeforeUpgrade, AsyncWebsocketConsumer):  # type: ignore[misc]  # channels has no types
    """``/api/v2/templateversions/{version}/dynamic-parameters?user_id=``."""

    idle_seconds: float = IDLE_SECONDS

    _session: FormSession | None = None
    _worker: asyncio.Task[None] | None = None

    def authorise(self) -> None:
        """Whoever reads the version sees its form."""
        self._version = version_get(
            viewer=self.viewer, version_id=self.scope["url_route"]["kwargs"]["version"]
        )

    async def look(self, user: User) -> None:
        """What the viewer may know of an owner may have changed with their rights."""
        await super().look(user)
        if self._session is not None:
            self._session.seen_by(self.viewer)  # read by `authorise`

    async def connect(self) -> None:
        self._waiting: FormRequest | FrameError | None = None
        self._wake = asyncio.Event()
        try:
            self._session = await database_sync_to_async(self._open)()
        except ServiceError as refusal:
            await self.refuse(refusal)
            return
        except Exception:
            log.exception("dynamic parameters could not be prepared")
            await self.refuse(ServiceError("Internal error fetching template version data."))
            return
        await self.accept()
        self._worker = asyncio.create_task(self._work(self._session))

    def _open(self) -> FormSession:
        query = parse_qs(self.scope.get("query_string", b"").decode("utf-8", "replace"))
        owner_id = owner_of_query(query.get("user_id", [""])[0], default=self.scope["user"].pk)
        return FormSession(renderer=prepare(self._version), viewer=self.viewer, owner_id=owner_id)

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Hand a message to its method. A frame needs no database: channels' look at its connections, on the
        database's thread, would cost each keystroke more than its render."""
        if message["type"] == "websocket.receive":
            await self.websocket_receive(message)
        else:
            await super().dispatch(message)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if len((text_data or "").encode()) > MAX_FRAME_BYTES or len(bytes_data or b"") > MAX_FRAME_BYTES:
            await self.close(TOO_BIG)
            return
        try:
            self._waiting = parse_frame(text_data)
        except FrameError as problem:
            # What a person typed weighs more than a complaint about a broken frame.
            if not isinstance(self._waiting, FormRequest):
                self._waiting = problem
        self._wake.set()

    async def disconnect(self, code: int) -> None:
        if self._worker is not None:
            self._worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._worker
        if self._session is not None:
            self._session.close()

    async def _work(self, session: FormSession) -> None:
        """Answer until nobody has asked for half an hour."""
        try:
            await self._answer(session, FIRST)
            while True:
                try:
                    await asyncio.wait_for(self._wake.wait(), self.idle_seconds)
                except TimeoutError:
                    await self.close(GOING_AWAY)
                    return
                self._wake.clear()
                waiting, self._waiting = self._waiting, None
                if isinstance(waiting, FormRequest):
                    await self._answer(session, waiting)
                elif waiting is not None:
                    await self._say(session.complain(waiting))
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("dynamic parameters stopped")
            await self.close(GOING_AWAY)

    async def _answer(self, session: FormSession, request: FormRequest) -> None:
        """Render on a thread. Those for the database are left to it, unless somebody must be looked up: a
        template that takes its time then holds up nothing but other forms."""
        if session.needs_database(request):
            await self._say(await database_sync_to_async(session.answer)(request))
        else:
            loop = asyncio.get_running_loop()
            await self._say(await loop.run_in_executor(_RENDERERS, session.answer, request))

    async def _say(self, frame: str) -> None:
        # A client that left before its answer is no error; its disconnect is on the way.
        with contextlib.suppress(OSError):
            await self.send(text_data=frame)
