"""Where django-allauth hands over: the provider has spoken, now this deployment decides.

Neither allauth's accounts nor its links are used; a refusal leaves as a ServiceError for the page to draw.
"""

from __future__ import annotations

from typing import Any, NoReturn

import structlog
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.conf import settings
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme

from coder_admin.foundation.errors import Invalid, NotAuthenticated

from ..idp.claims import merge_claims
from .login import oidc_login

log = structlog.get_logger(__name__)


class OidcAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """Ends allauth's part of a login with a session of our user."""

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> NoReturn:
        """Log the person in and send them where they wanted to go."""
        data = sociallogin.account.extra_data
        id_token, userinfo = data.get("id_token") or {}, data.get("userinfo") or {}
        if not isinstance(id_token, dict) or not isinstance(userinfo, dict):
            raise Invalid("The identity provider sent no claims that can be read.")
        if userinfo and id_token and userinfo.get("sub") != id_token.get("sub"):
            # OpenID Connect Core 5.3.2: such an answer speaks of somebody else and must not be used.
            raise Invalid("The identity provider's two answers speak of different people.")
        issuer = str(id_token.get("iss") or settings.OIDC_ISSUER_URL)
        user = oidc_login(merge_claims(id_token, userinfo), issuer=issuer)
        login(request, user)
        raise ImmediateHttpResponse(HttpResponseRedirect(_target(request, sociallogin)))

    def populate_user(self, request: HttpRequest, sociallogin: Any, data: Any) -> Any:
        """Nothing: who this is, and whether the claims can be read, is decided by `oidc_login`."""
        return sociallogin.user

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: Any = None,
        exception: Exception | None = None,
        extra_context: Any = None,
    ) -> NoReturn:
        """The protocol itself failed: cancelled there, an old or foreign answer, a broken provider."""
        log.warning(
            "OpenID Connect login failed", error=str(error), reason=repr(exception) if exception else ""
        )
        if str(error) == "cancelled":
            raise NotAuthenticated("The login was cancelled at the identity provider.")
        raise NotAuthenticated(
            "The login with the identity provider did not work.",
            detail="Its answer was incomplete, too old or not for this browser. Start again from this page.",
        )


def _target(request: HttpRequest, sociallogin: Any) -> str:
    target = sociallogin.get_redirect_url(request) or "/"
    safe = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return target if safe else "/"
