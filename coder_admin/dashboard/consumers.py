"""`/ws/live`: one socket per page that says which parts of it are out of date.

Client: `{"type": "subscribe" | "unsubscribe", "topics": [...]}`.
Server: `{"type": "subscribed" | "refused", "topics": [...]}`, then `{"type": "event", "topic", "kind"}` per
event. An event carries no content: the page fetches its part again, and that fetch is authorised by itself.
A topic that the reader may not follow any more is "refused" too, at any time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Final

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer

from coder_admin.foundation.events import group_name
from coder_admin.organizations.guarded import Guarded
from coder_admin.organizations.logins import read_again
from coder_admin.organizations.models import User
from rbac.django import subject_for

from .live import Answer, authorise

MAX_TOPICS: Final = 200
MAX_FRAME: Final = 32_768
LIFETIME_SECONDS: Final = 3600.0
"""After this long the page connects again: subscriptions of the channel layer do not live for ever."""

TOO_LARGE: Final = 1009
BAD_MESSAGE: Final = 1007
GOING_AWAY: Final = 1001


class LiveConsumer(Guarded, AsyncJsonWebsocketConsumer):  # type: ignore[misc]  # channels has no types
    """The events of the topics that a page shows, as far as its reader may see them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.topics: set[str] = set()
        self._end: asyncio.TimerHandle | None = None
        self._changing = asyncio.Lock()

    def authorise(self) -> None:
        """Whoever is signed in may follow something; each topic is asked for by itself."""

    async def look(self, user: User) -> None:
        """Drop what the reader may not follow any more, and say so."""
        await super().look(user)
        async with self._changing:
            refused = (await self._authorise(sorted(self.topics))).refused
            await self._unsubscribe(refused)
        if refused:
            await self.send_json({"type": "refused", "topics": refused})

    async def connect(self) -> None:
        await self.accept()
        loop = asyncio.get_running_loop()
        self._end = loop.call_later(LIFETIME_SECONDS, lambda: loop.create_task(self.close(GOING_AWAY)))

    async def disconnect(self, code: int) -> None:
        if self._end is not None:
            self._end.cancel()
        for topic in self.topics:
            await self.channel_layer.group_discard(group_name(topic), self.channel_name)
        self.topics.clear()

    async def receive(
        self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any
    ) -> None:
        """Only JSON objects of bounded size are read; anything else ends the connection with a reason."""
        if text_data is None:
            await self.close(BAD_MESSAGE, "Send JSON text.")
        elif len(text_data) > MAX_FRAME:
            await self.close(TOO_LARGE, "The message is too large.")
        else:
            try:
                content = await self.decode_json(text_data)
            except (ValueError, RecursionError):
                await self.close(BAD_MESSAGE, "The message is not JSON.")
                return
            await self.receive_json(content)

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        kind = content.get("type") if isinstance(content, dict) else None
        topics = content.get("topics") if isinstance(content, dict) else None
        if not isinstance(topics, list) or not all(isinstance(topic, str) for topic in topics):
            await self.send_json(
                {"type": "error", "message": 'Send {"type": "subscribe", "topics": ["kind:id"]}.'}
            )
        elif kind == "subscribe":
            await self._subscribe(topics)
        elif kind == "unsubscribe":
            await self._unsubscribe(topics)
        else:
            await self.send_json(
                {"type": "error", "message": 'The type must be "subscribe" or "unsubscribe".'}
            )

    async def _subscribe(self, topics: list[str]) -> None:
        async with self._changing:
            room = MAX_TOPICS - len(self.topics)
            new = [topic for topic in dict.fromkeys(topics) if topic not in self.topics]
            answer = await self._authorise_anew(new[:room])
            for topic in answer.granted:
                await self.channel_layer.group_add(group_name(topic), self.channel_name)
                self.topics.add(topic)
            followed = [topic for topic in dict.fromkeys(topics) if topic in self.topics]
        refused = [*answer.refused, *new[room:]]
        if followed:
            await self.send_json({"type": "subscribed", "topics": followed})
        if refused:
            await self.send_json({"type": "refused", "topics": refused})

    async def _unsubscribe(self, topics: Iterable[str]) -> None:
        for topic in self.topics.intersection(topics):
            self.topics.discard(topic)
            await self.channel_layer.group_discard(group_name(topic), self.channel_name)

    @database_sync_to_async  # type: ignore[untyped-decorator]  # channels has no types
    def _authorise(self, topics: list[str]) -> Answer:
        return authorise(self.viewer, topics)

    @database_sync_to_async  # type: ignore[untyped-decorator]
    def _authorise_anew(self, topics: list[str]) -> Answer:
        # Rights may have changed since the page was opened or looked at last.
        return authorise(subject_for(read_again(self.scope["user"])), topics)

    async def event_message(self, message: dict[str, Any]) -> None:
        """An event of a followed topic, from the channel layer."""
        topic = message["topic"]
        if topic in self.topics:
            kind = str(message.get("event", {}).get("kind", ""))
            await self.send_json({"type": "event", "topic": topic, "kind": kind})
