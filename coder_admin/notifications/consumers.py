"""The inbox, live: each new message that matches, with the unread count of that moment (reference 1.5)."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import structlog
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.core.serializers.json import DjangoJSONEncoder

from coder_admin.foundation.errors import Forbidden, Invalid
from coder_admin.foundation.events import group_name
from coder_admin.foundation.markdown import to_text
from coder_admin.organizations.guarded import RefusedBeforeUpgrade
from rbac.model import Action, RbacObject, ResourceType
from rbac.policy import allowed

from . import selectors, services
from .api import WATCH_KEYS, inbox_filter, inbox_json
from .models import InboxNotification
from .selectors import InboxFilter

log = structlog.get_logger(__name__)

BUFFER = 1_000
"""Ids of new messages that wait for one client; what they say is read when it is sent."""
AT_A_TIME = 50
FAILED = 1011
TOO_SLOW = 4408
TOO_SLOW_REASON = "Too slow: list the inbox and connect again."


class InboxConsumer(RefusedBeforeUpgrade, AsyncWebsocketConsumer):  # type: ignore[misc]
    """`/notifications/inbox/watch`. No replay: a client lists first, and again after each reconnect.

    A change of the read state by another page comes as `{"unread_count"}` alone. A client for which more
    than `BUFFER` messages wait is closed with `TOO_SLOW` and the reason, so that it lists again: it costs
    bounded memory, and misses nothing unknowingly.
    """

    wanted: InboxFilter
    plain = False
    topic = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._ids: deque[UUID] = deque()
        self._recount = False
        self._news = asyncio.Event()
        self._sending: asyncio.Task[None] | None = None

    def authorise(self) -> None:
        """Everybody reads their own, within the scope of their token."""
        own = RbacObject(ResourceType.INBOX_NOTIFICATION, owner=self.viewer.id)
        if not allowed(self.viewer, Action.READ, own):
            raise Forbidden("You may not read the inbox with this token.")

    async def connect(self) -> None:
        query = parse_qs(self.scope["query_string"].decode("utf-8", "replace"), keep_blank_values=True)
        try:
            self.wanted = inbox_filter(query, WATCH_KEYS)
        except Invalid as error:
            await self.refuse(error)
            return
        self.plain = query.get("format") == ["plaintext"]
        self.topic = f"inbox:{self.scope['user'].pk}"
        await self.channel_layer.group_add(group_name(self.topic), self.channel_name)
        await self.accept()
        self._sending = asyncio.create_task(self._send_waiting())

    async def disconnect(self, code: int) -> None:
        await self._leave()

    async def _leave(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            self._sending = None
        self._ids.clear()
        if self.topic:
            await self.channel_layer.group_discard(group_name(self.topic), self.channel_name)

    async def event_message(self, message: dict[str, Any]) -> None:
        """Only note what is new: a client that reads slowly must not hold up the events behind it."""
        if self._sending is None:
            return
        event = message["event"]
        if event.get("kind") == "new":
            self._ids.extend(UUID(text) for text in event.get("ids", ()))
        else:
            self._recount = True
        self._news.set()
        if len(self._ids) > BUFFER:
            await self._leave()
            await self.close(TOO_SLOW, TOO_SLOW_REASON)

    async def _send_waiting(self) -> None:
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                while self._ids or self._recount:
                    await self._send_some()
        except OSError:
            return  # the client is gone; `disconnect` follows
        except Exception:
            log.exception("inbox not sent", user=str(self.scope["user"].pk))
            await self.close(FAILED, "The inbox cannot be read: list it and connect again.")

    async def _send_some(self) -> None:
        ids = [self._ids.popleft() for _ in range(min(AT_A_TIME, len(self._ids)))]
        self._recount = self._recount and bool(ids)
        for frame in await database_sync_to_async(self._frames)(ids):
            await self.send(text_data=json.dumps(frame, cls=DjangoJSONEncoder))

    def _frames(self, ids: list[UUID]) -> list[dict[str, Any]]:
        """The new messages among these that the client wants; without ids, the count alone."""
        viewer = self.viewer
        count = services.unread_count(viewer.id)
        if not ids:
            return [{"unread_count": count}]
        rows = selectors.inbox(viewer=viewer).filter(pk__in=ids).order_by("created_at", "id")
        return [
            {"notification": self._shown(row), "unread_count": count}
            for row in rows
            if self.wanted.matches(row)
        ]

    def _shown(self, row: InboxNotification) -> dict[str, Any]:
        shown = inbox_json(row)
        if self.plain:
            shown["content"] = to_text(row.content)
        return shown
