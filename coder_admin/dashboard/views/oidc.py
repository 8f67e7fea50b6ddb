"""Signing in with the identity provider: off to it, and back. A refusal is told on the sign-in page."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.providers.base.constants import AuthProcess
from allauth.socialaccount.providers.openid_connect.views import callback as finish
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.cache import never_cache
from requests import RequestException

from coder_admin.dashboard.views.session import SignInForm, draw_sign_in, target_of
from coder_admin.foundation.errors import ServiceError
from coder_admin.settings.identity import PROVIDER

log = structlog.get_logger(__name__)


@never_cache
def start(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Send the browser to the provider. Whoever is signed in already goes where they wanted."""
    _require_configured(provider_id)
    if request.user.is_authenticated:
        return HttpResponseRedirect(target_of(request))

    def leave() -> HttpResponse:
        provider = get_adapter(request).get_provider(request, PROVIDER)
        answer: HttpResponse = provider.redirect(
            request, process=AuthProcess.LOGIN, next_url=target_of(request)
        )
        return answer

    return _guarded(request, leave)


@never_cache
def callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    """The provider sent the browser back with a code."""
    _require_configured(provider_id)
    return _guarded(request, lambda: finish(request, PROVIDER))


def _require_configured(provider_id: str) -> None:
    if provider_id != PROVIDER or not settings.SOCIALACCOUNT_PROVIDERS:
        raise Http404


def _guarded(request: HttpRequest, step: Callable[[], HttpResponse]) -> HttpResponse:
    try:
        return step()
    except ServiceError as error:
        return _refused(request, str(error), error.status)
    except (RequestException, KeyError, TypeError, ValueError) as error:
        # What a provider answers is not ours to trust: no page, no JSON, fields missing.
        log.warning("identity provider failed", reason=repr(error)[:500])
        text = "The identity provider cannot be reached, or its answer cannot be read. Try again later."
        return _refused(request, text, 502)


def _refused(request: HttpRequest, text: str, status: int) -> HttpResponse:
    form = SignInForm({})
    form.errors.clear()
    form.add_error(None, text)
    return draw_sign_in(request, form, status=status)
