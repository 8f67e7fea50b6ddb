"""Who calls the API: a browser session (with its CSRF token), or a program by its token."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from coder_admin.organizations.models import APIKey, User
from coder_admin.organizations.services import authenticate_token
from rbac.django import limit_scope
from rbac.model import SCOPE_ALL, SCOPES

__all__ = ["TOKEN_HEADER", "SessionAuthentication", "TokenAuthentication", "token_text"]

TOKEN_HEADER = "Coder-Session-Token"  # noqa: S105 - the header's name


def token_text(request: HttpRequest | Request) -> str:
    """The token a request carries in `Coder-Session-Token` or `Authorization: Bearer`, or nothing."""
    given = request.headers.get(TOKEN_HEADER, "")
    if given:
        return str(given).strip()
    kind, _, value = request.headers.get("Authorization", "").partition(" ")
    return value.strip() if kind.lower() == "bearer" else ""


class TokenAuthentication(BaseAuthentication):
    """A token acts as its user, under the ceiling of its scope. A wrong one is 401, never ignored."""

    def authenticate(self, request: Request) -> tuple[User, APIKey] | None:
        text = token_text(request)
        if not text:
            return None
        key = authenticate_token(text)
        if key is None:
            raise AuthenticationFailed("The session token is not valid: it is unknown or has expired.")
        # An unknown scope name gives no right at all.
        scope = SCOPES.get(key.scope)
        if scope is None:
            raise AuthenticationFailed(f'The token has the unknown scope "{key.scope}".')
        if scope is not SCOPE_ALL:
            limit_scope(key.user, scope)
        return key.user, key

    def authenticate_header(self, request: Request) -> str:
        """Makes the answer to nobody 401 instead of 403."""
        return "Bearer"


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI document describes the token."""

    target_class = "coder_admin.api.authentication.TokenAuthentication"
    name = "SessionToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "header", "name": TOKEN_HEADER}
