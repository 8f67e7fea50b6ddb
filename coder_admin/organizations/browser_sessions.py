"""The session engine: Django's database sessions whose rows know whose they are (`BrowserSession`)."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any, cast

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessions
from django.db.models import Q
from django.utils import timezone

from coder_admin.audit.context import current

from .models import BrowserSession, User

TOUCH_EVERY = timedelta(minutes=1)
"""`last_seen_at` is written at most this often, so that reading pages does not mean writing the database."""
_LOGIN = "_login"


class SessionStore(DatabaseSessions):
    """Writes owner, address and browser beside the data, and notes the use of a session."""

    @classmethod
    def get_model_class(cls) -> type[BrowserSession]:
        """Where the rows are."""
        return BrowserSession

    def save(self, must_create: bool = False) -> None:
        """Store the session. A new row (also of a cycled key) gets a public id of its own."""
        if must_create:
            self._get_session(no_load=True).pop(_LOGIN, None)  # type: ignore[attr-defined]
        super().save(must_create)

    def create_model_instance(self, data: dict[str, Any]) -> BrowserSession:
        """The row of this session's data. Every save writes a new instance, so what must survive a save (the
        public id, when the login was) is kept in the data itself."""
        owner = data.get(SESSION_KEY)
        login = data.get(_LOGIN)
        if login is None or login["user"] != owner:
            login = {"user": owner, "id": str(uuid.uuid4()), "at": timezone.now().isoformat()}
            data[_LOGIN] = login
        row = cast("BrowserSession", super().create_model_instance(data))
        context = current()
        row.user_id = uuid.UUID(owner) if owner else None
        row.public_id = uuid.UUID(login["id"])
        row.created_at = datetime.fromisoformat(login["at"])
        row.ip_address, row.user_agent = context.ip, context.user_agent
        return row

    def _get_session_from_db(self) -> BrowserSession | None:
        row: BrowserSession | None = super()._get_session_from_db()  # type: ignore[misc]
        if row is not None and row.user_id is not None:
            _note_use(row, timezone.now())
        return row


def _note_use(row: BrowserSession, now: datetime) -> None:
    if now - row.last_seen_at < TOUCH_EVERY:
        return
    context = current()
    # A websocket's handshake has no request context: it must not wipe out what the last request told.
    told = {"ip_address": context.ip, "user_agent": context.user_agent} if context.ip else {}
    BrowserSession.objects.filter(pk=row.pk).update(last_seen_at=now, **told)
    stale = Q(last_seen_at__isnull=True) | Q(last_seen_at__lt=now - TOUCH_EVERY)
    User.objects.filter(stale, pk=row.user_id).update(last_seen_at=now)
