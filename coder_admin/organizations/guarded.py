"""What every websocket consumer is: opened only for who may, and looked at again while it is open."""

from __future__ import annotations

import json
from typing import Any

from channels.db import database_sync_to_async

from coder_admin.foundation.errors import Forbidden, NotAuthenticated, ServiceError
from rbac.django import subject_for
from rbac.model import Subject

from .models import User

SIGNED_OUT = "You are signed out or your session has expired. Please sign in again."
REASON_LENGTH = 120
"""A close frame has little room."""


class Guarded:
    """Mixin before the consumer of channels; `connect` runs only when `authorise` lets the viewer in.

    The same `authorise` is asked at every look of `socket_life`.
    """

    scope: dict[str, Any]

    def authorise(self) -> None:
        """Ask the policy for whatever the socket shows `self.viewer`; raises ServiceError when it may not.

        Runs on a thread, also while the consumer is at work. A consumer that does not say opens for nobody.
        """
        raise Forbidden("Nobody may open this.")

    @property
    def viewer(self) -> Subject:
        """On whose behalf the socket works; on a thread, since roles may have to be read."""
        return subject_for(self.scope["user"])

    async def look(self, user: User) -> None:
        """Ask again, for the user as they are now. Raises ServiceError when the socket may not stay open."""
        self.scope["user"] = user
        await database_sync_to_async(self.authorise)()

    async def websocket_connect(self, message: dict[str, Any]) -> None:
        """Refuse, or go on to `connect`."""
        if (socket := self.scope.get("open_socket")) is not None:
            socket.guard = self
        user = self.scope.get("user")
        try:
            if user is None or not user.is_authenticated:
                raise NotAuthenticated(SIGNED_OUT)
            await database_sync_to_async(self.authorise)()
        except ServiceError as refusal:
            await self.refuse(refusal)
            return
        await super().websocket_connect(message)  # type: ignore[misc]  # of the consumer that this is mixed into

    async def refuse(self, refusal: ServiceError) -> None:
        """A close code reaches a browser on an open socket only: accept, then close with 4000 + status."""
        await self.accept()  # type: ignore[attr-defined]
        code = 4000 + refusal.status
        await self.close(code=code, reason=str(refusal)[:REASON_LENGTH])  # type: ignore[attr-defined]


class RefusedBeforeUpgrade(Guarded):
    """Answers a refusal with its status and body before the upgrade, where the server can."""

    async def refuse(self, refusal: ServiceError) -> None:
        if not await answer_before_upgrade(self.scope, self.base_send, refusal):  # type: ignore[attr-defined]
            await super().refuse(refusal)


async def answer_before_upgrade(scope: dict[str, Any], send: Any, refusal: ServiceError) -> bool:
    """Answer a handshake like a request that is refused; False when the server can not."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        return False
    body = {
        "message": refusal.message,
        "detail": refusal.detail,
        "validations": [{"field": v.field, "detail": v.detail} for v in refusal.validations],
    }
    headers = [(b"content-type", b"application/json")]
    await send({"type": "websocket.http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": json.dumps(body).encode()})
    return True
