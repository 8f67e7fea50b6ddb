"""The inbox, live: each new message that matches, with the unread count of that moment (reference 1.5)."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.core.serializers.json import DjangoJSONEncoder

from coder_admin.foundation.errors import Invalid
from coder_admin.foundation.events import group_name
from rbac.django import subject_for

from . import selectors, services
from .api import WATCH_KEYS, inbox_filter, inbox_json
from .rendering import to_text
from .selectors import InboxFilter

BAD_REQUEST = 4400
UNAUTHENTICATED = 4401


class InboxConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """`/notifications/inbox/watch`. No replay: a client lists first, and again after each reconnect.

    A change of the read state by another page comes as `{"unread_count"}` alone.
    """

    wanted: InboxFilter
    plain = False
    topic = ""

    async def connect(self) -> None:
        query = dict(parse_qsl(self.scope["query_string"].decode(), keep_blank_values=True))
        self.viewer = await database_sync_to_async(subject_for)(self.scope["user"])
        try:
            self.wanted = inbox_filter(query, WATCH_KEYS)
        except Invalid as error:
            await self._refuse(BAD_REQUEST, str(error))
            return
        if not self.viewer.id:
            await self._refuse(UNAUTHENTICATED, "Log in first.")
            return
        self.plain = query.get("format") == "plaintext"
        self.topic = f"inbox:{self.viewer.id}"
        await self.channel_layer.group_add(group_name(self.topic), self.channel_name)
        await self.accept()

    async def _refuse(self, code: int, reason: str) -> None:
        await self.accept()
        await self.close(code=code, reason=reason[:120])

    async def disconnect(self, code: int) -> None:
        if self.topic:
            await self.channel_layer.group_discard(group_name(self.topic), self.channel_name)

    async def event_message(self, message: dict[str, Any]) -> None:
        frame = await database_sync_to_async(self._frame)(message["event"])
        if frame is not None:
            await self.send(text_data=json.dumps(frame, cls=DjangoJSONEncoder))

    def _frame(self, event: dict[str, Any]) -> dict[str, Any] | None:
        count = services.unread_count(self.viewer.id)
        if event.get("kind") != "new":
            return {"unread_count": count}
        row = selectors.inbox_get(viewer=self.viewer, notification_id=UUID(event["id"]))
        if row is None or not self.wanted.matches(row):
            return None
        shown = inbox_json(row)
        if self.plain:
            shown["content"] = to_text(row.content)
        return {"notification": shown, "unread_count": count}
