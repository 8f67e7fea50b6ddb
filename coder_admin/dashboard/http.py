"""What every page view has in common: who is asking, and how a refusal becomes an answer."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme

from coder_admin.audit.refusals import record_refusal
from coder_admin.foundation.errors import NotAuthenticated, ServiceError
from coder_admin.organizations.models import User
from rbac.django import subject_for
from rbac.model import Subject

P = ParamSpec("P")


class ViewerRequest(HttpRequest):
    """A request whose sender is known: `user` is a real user, `viewer` what the policy knows of them."""

    user: User
    viewer: Subject


View = Callable[Concatenate[ViewerRequest, P], HttpResponseBase]
RawView = Callable[Concatenate[HttpRequest, P], HttpResponseBase]

TITLES = {
    400: "This request cannot be read",
    403: "You may not do this",
    404: "Nothing is here",
    406: "Not ready yet",
    409: "The state has changed",
    412: "The state has changed",
    413: "Too large",
    425: "Not ready yet",
}


def page(view: View[P]) -> RawView[P]:
    """A page for people who are signed in. A service's refusal is drawn in the shell with its status."""

    @wraps(view)
    def with_viewer(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        known = cast(ViewerRequest, request)
        known.viewer = subject_for(request.user)
        try:
            return view(known, *args, **kwargs)
        except ServiceError as error:
            return refusal(request, error)

    return login_required(with_viewer)


def command(view: View[P]) -> RawView[P]:
    """A POST that does one thing and goes back to a page; a refusal becomes a message there."""

    @wraps(view)
    def with_viewer(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        known = cast(ViewerRequest, request)
        known.viewer = subject_for(request.user)
        try:
            return view(known, *args, **kwargs)
        except ServiceError as error:
            if error.status in (403, 404):
                return refusal(request, error)
            messages.error(request, str(error))
            return HttpResponseRedirect(back(request))

    return login_required(with_viewer)


def refusal(request: HttpRequest, error: ServiceError) -> HttpResponse:
    """The error page of a refusal, in the shell."""
    if error.status == 403:
        match = request.resolver_match
        record_refusal(
            subject_for(request.user),
            method=str(request.method),
            path=request.path,
            kwargs=match.kwargs if match else {},
            message=error.message,
        )
    if isinstance(error, NotAuthenticated):
        return HttpResponseRedirect(f"/login?{urlencode({'next': request.get_full_path()})}")
    return draw_error(
        request,
        error.status,
        text=error.message if error.status != 404 else "",
        detail=" ".join([error.detail, *(f"{v.field}: {v.detail}" for v in error.validations)]).strip(),
    )


def draw_error(request: HttpRequest, status: int, *, text: str = "", detail: str = "") -> HttpResponse:
    """An error page; a fragment for htmx is not wanted, so the shell is always drawn."""
    context = {
        "status": status,
        "title": TITLES.get(status, "This did not work"),
        "text": text,
        "detail": detail,
    }
    return render(request, "dashboard/error.html", context, status=status)


def back(request: HttpRequest, default: str = "/") -> str:
    """Where the person came from, if that is one of our own pages."""
    for target in (request.POST.get("next", ""), request.headers.get("referer", "")):
        if target and url_has_allowed_host_and_scheme(
            target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
        ):
            return target
    return default


def wants_fragment(request: HttpRequest) -> bool:
    """Whether htmx asks for a part of the page (and not because the browser goes back in history)."""
    htmx = getattr(request, "htmx", None)
    return htmx is not None and bool(htmx) and not htmx.history_restore_request and not htmx.boosted


def draw(
    request: HttpRequest, template: str, context: dict[str, object], *, part: str = "", status: int = 200
) -> HttpResponse:
    """The page, or only its live part when htmx asks for it: the same view serves both."""
    chosen = part if part and wants_fragment(request) else template
    response = render(request, chosen, context, status=status)
    response.headers["Vary"] = "HX-Request, Cookie"
    response.headers["Cache-Control"] = "no-store"
    return response
