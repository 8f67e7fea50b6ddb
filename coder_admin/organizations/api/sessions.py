"""First user, login, logout, ways to log in, and tokens."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.contrib.auth import logout as end_session
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from coder_admin.foundation.errors import NotFound
from rbac.rest import PublicApiView

from .. import selectors, services
from ..models import APIKey
from .base import IdentityView
from .serializers import (
    APIKeyOut,
    FirstUserIn,
    FirstUserOut,
    KeyOut,
    LoginIn,
    SessionOut,
    SessionTokenOut,
    TokenIn,
)


class FirstUserView(PublicApiView):
    """Whether the deployment has a user yet, and the making of the first."""

    @extend_schema(responses={200: None, 404: None})
    def get(self, request: Request) -> Response:
        if not services.first_user_exists():
            raise NotFound("The initial user has not been created!")
        return Response({"message": "The initial user has already been created!"})

    @extend_schema(request=FirstUserIn, responses={201: FirstUserOut})
    def post(self, request: Request) -> Response:
        user = services.first_user_create(**self.parse(FirstUserIn))
        membership = user.memberships.get()
        return Response(
            {"user_id": str(user.id), "organization_id": str(membership.organization_id)}, status=201
        )


class LoginView(PublicApiView):
    """Exchange a password for a session token (header `Coder-Session-Token`)."""

    # Nobody's old cookie or token may stand in the way of a new login.
    authentication_classes = ()

    @extend_schema(request=LoginIn, responses={201: SessionTokenOut})
    def post(self, request: Request) -> Response:
        data = self.parse(LoginIn)
        _key, token = services.login(login=data["email"], password=data["password"])
        return Response({"session_token": token}, status=201)


class LogoutView(IdentityView):
    """End the session of the token, or of the browser, that asks."""

    @extend_schema(request=None, responses={200: None})
    def post(self, request: Request) -> Response:
        if self.me is None:
            raise NotFound
        services.logout(user=self.me, key=request.auth if isinstance(request.auth, APIKey) else None)
        if request.auth is None:
            end_session(request._request)
        return Response({"message": "Logged out!"})


class AuthMethodsView(PublicApiView):
    """The ways to log in."""

    @extend_schema(responses={200: dict})
    def get(self, request: Request) -> Response:
        return Response(
            {
                "terms_of_service_url": "",
                "password": {"enabled": not settings.DISABLE_PASSWORD_AUTH},
                "github": {"enabled": False},
                "oidc": {
                    "enabled": bool(settings.SOCIALACCOUNT_PROVIDERS),
                    "signInText": settings.OIDC_SIGN_IN_TEXT,
                    "iconUrl": settings.OIDC_ICON_URL,
                },
            }
        )


class KeysView(IdentityView):
    """A session key for the named user (what the web terminal and the CLI use)."""

    @extend_schema(request=None, responses={201: KeyOut})
    def post(self, request: Request, user: str) -> Response:
        _key, token = services.api_key_create(self.actor, user=self.user(user))
        return Response({"key": token}, status=201)


class KeyView(IdentityView):
    """One key by its id."""

    @extend_schema(responses={200: APIKeyOut})
    def get(self, request: Request, user: str, key: str) -> Response:
        return Response(APIKeyOut(selectors.api_key(self.actor, self.user(user), key_id=key)).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, user: str, key: str) -> Response:
        services.api_key_delete(self.actor, key=selectors.api_key(self.actor, self.user(user), key_id=key))
        return Response(status=204)


class SessionsView(IdentityView):
    """The logins of a user that are not over."""

    @extend_schema(responses={200: SessionOut(many=True)})
    def get(self, request: Request, user: str) -> Response:
        rows = selectors.sessions(self.actor, self.user(user), current=_current(request))
        return Response(SessionOut(rows, many=True).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, user: str) -> Response:
        """End all of them but the one that asks."""
        services.sessions_end_others(self.actor, user=self.user(user), current=_current(request))
        return Response(status=204)


class SessionView(IdentityView):
    """One login."""

    @extend_schema(responses={204: None})
    def delete(self, request: Request, user: str, session: str) -> Response:
        services.session_end(self.actor, user=self.user(user), session_id=session)
        return Response(status=204)


def _current(request: Request) -> str:
    """The id of the login that the request itself uses."""
    if isinstance(request.auth, APIKey):
        return str(request.auth.id)
    return selectors.public_session_id(request._request.session.session_key)


class TokensView(IdentityView):
    """The long-lived tokens of a user."""

    @extend_schema(responses={200: APIKeyOut(many=True)})
    def get(self, request: Request, user: str) -> Response:
        rows = selectors.tokens(self.actor, self.user(user))
        page = self.page("tokens", rows, lambda keys: APIKeyOut(keys, many=True).data)
        return Response(page["tokens"])

    @extend_schema(request=TokenIn, responses={201: KeyOut})
    def post(self, request: Request, user: str) -> Response:
        data = self.parse(TokenIn)
        nanoseconds = data.get("lifetime") or 0
        # Kept below the largest timedelta; the service says what the limit really is.
        seconds = min(nanoseconds / 1e9, 86_400 * 1_000_000)
        _key, token = services.token_create(
            self.actor,
            user=self.user(user),
            name=data["token_name"],
            scope=data["scope"],
            lifetime=timedelta(seconds=seconds) if nanoseconds else None,
        )
        return Response({"key": token}, status=201)


class TokenView(IdentityView):
    """One token by its name."""

    @extend_schema(responses={200: APIKeyOut})
    def get(self, request: Request, user: str, name: str) -> Response:
        return Response(APIKeyOut(selectors.api_key(self.actor, self.user(user), name=name)).data)
