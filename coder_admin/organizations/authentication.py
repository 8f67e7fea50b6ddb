"""Who calls the API: a browser session (with its CSRF token), or a program by its token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from rbac.django import limit_scope
from rbac.model import SCOPE_ALL, SCOPES

from .models import APIKey, User
from .services import authenticate_token

__all__ = ["TOKEN_HEADER", "SessionAuthentication", "TokenAuthentication", "user_of", "user_of_token"]

TOKEN_HEADER = "Coder-Session-Token"  # noqa: S105 - the header's name


def token_of_headers(headers: Mapping[str, str]) -> str:
    """The token in `Coder-Session-Token` or `Authorization: Bearer`, or nothing. Names in lower case, or a
    mapping that ignores case."""
    given = headers.get(TOKEN_HEADER.lower(), "")
    if given:
        return given.strip()
    kind, _, value = headers.get("authorization", "").partition(" ")
    return value.strip() if kind.lower() == "bearer" else ""


def token_text(request: HttpRequest | Request) -> str:
    """The token that a request carries, or nothing."""
    return token_of_headers(request.headers)


def user_of_token(text: str) -> User | None:
    """The user of a live token, under its scope; None for a wrong one."""
    key = authenticate_token(text)
    return None if key is None else _within_scope(key)


def user_of(request: HttpRequest) -> User | None:
    """Who asks outside of the REST views (metrics, streams): the user of the token, under its scope, else of
    the browser session; None for nobody and for a wrong token."""
    text = token_text(request)
    if text:
        return user_of_token(text)
    user = getattr(request, "user", None)
    return user if isinstance(user, User) else None


def _within_scope(key: APIKey) -> User | None:
    """The key's user under the ceiling of its scope; None for a scope nobody knows."""
    scope = SCOPES.get(key.scope)
    if scope is None:
        return None
    if scope is not SCOPE_ALL:
        limit_scope(key.user, scope)
    return key.user


class TokenAuthentication(BaseAuthentication):
    """A token acts as its user, under the ceiling of its scope. A wrong one is 401, never ignored."""

    def authenticate(self, request: Request) -> tuple[User, APIKey] | None:
        text = token_text(request)
        if not text:
            return None
        key = authenticate_token(text)
        if key is None:
            raise AuthenticationFailed("The session token is not valid: it is unknown or has expired.")
        user = _within_scope(key)
        if user is None:
            raise AuthenticationFailed(f'The token has the unknown scope "{key.scope}".')
        return user, key

    def authenticate_header(self, request: Request) -> str:
        """Makes the answer to nobody 401 instead of 403."""
        return "Bearer"


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI document describes the token."""

    target_class = "coder_admin.organizations.authentication.TokenAuthentication"
    name = "SessionToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "header", "name": TOKEN_HEADER}
