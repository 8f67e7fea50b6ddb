"""The login behind what stays open (a socket, a stream), asked again for the user as they are now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from rest_framework.request import Request

from rbac.django import limit_scope, subject_for

from .authentication import token_text, user_of_token
from .browser_sessions import SessionStore
from .models import BrowserSession, User

Login = Callable[[], User | None]
"""The user of a login, freshly read and under its scope; None when it has ended. Runs on a thread."""


def token_login(text: str) -> Login:
    """The login of a token's text."""
    return lambda: user_of_token(text)


def session_login(session_key: str | None) -> Login:
    """The login of a browser's session. Looking is no use of it: nothing is written."""

    def user() -> User | None:
        row = BrowserSession.objects.filter(session_key=session_key, expire_date__gt=timezone.now()).first()
        data: dict[str, Any] = SessionStore().decode(row.session_data) if row is not None else {}
        found = User.objects.filter(pk=data.get(SESSION_KEY)).first()
        if found is None or not found.is_active:
            return None
        # A new password ends the sessions of the old one.
        known = str(data.get(HASH_SESSION_KEY, ""))
        hashes = (found.get_session_auth_hash(), *found.get_session_auth_fallback_hash())
        return found if any(constant_time_compare(known, good) for good in hashes) else None

    return user


def request_login(request: HttpRequest | Request) -> Login:
    """The login of a request that was let in, for an answer that goes on."""
    text = token_text(request)
    return token_login(text) if text else session_login(request.session.session_key)


def read_again(user: Any) -> User | None:
    """The user of an open socket as stored now, under the same scope; None when they may not log in."""
    found: User | None = User.objects.filter(pk=user.pk).first()
    if found is None or not found.is_active:
        return None
    limit_scope(found, subject_for(user).scope)
    return found
