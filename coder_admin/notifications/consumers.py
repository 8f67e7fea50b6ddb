"""The inbox, live: each new message that matches, with the unread count of that moment (reference 1.5)."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

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


class InboxConsumer(RefusedBeforeUpgrade, AsyncWebsocketConsumer):  # type: ignore[misc]
    """`/notifications/inbox/watch`. No replay: a client lists first, and again after each reconnect.

    A change of the read state by another page comes as `{"unread_count"}` alone.
    """

    wanted: InboxFilter
    plain = False
    topic = ""

    def authorise(self) -> None:
        """Everybody reads their own, within the scope of their token."""
        own = RbacObject(ResourceType.INBOX_NOTIFICATION, owner=self.viewer.id)
        if not allowed(self.viewer, Action.READ, own):
            raise Forbidden("You may not read the inbox with this token.")

    async def connect(self) -> None:
        query = dict(parse_qsl(self.scope["query_string"].decode("utf-8", "replace"), keep_blank_values=True))
        try:
            self.wanted = inbox_filter(query, WATCH_KEYS)
        except Invalid as error:
            await self.refuse(error)
            return
        self.plain = query.get("format") == "plaintext"
        self.topic = f"inbox:{self.scope['user'].pk}"
        await self.channel_layer.group_add(group_name(self.topic), self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        if self.topic:
            await self.channel_layer.group_discard(group_name(self.topic), self.channel_name)

    async def event_message(self, message: dict[str, Any]) -> None:
        for frame in await database_sync_to_async(self._frames)(message["event"]):
            await self.send(text_data=json.dumps(frame, cls=DjangoJSONEncoder))

    def _frames(self, event: dict[str, Any]) -> list[dict[str, Any]]:
        viewer = self.viewer
        count = services.unread_count(viewer.id)
        if event.get("kind") != "new":
            return [{"unread_count": count}]
        ids = [UUID(text) for text in event.get("ids", ())]
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
