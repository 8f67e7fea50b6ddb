"""Notification settings: one's own preferences, and the deployment's methods, switch and delivery log."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse

from coder_admin.dashboard.filters import Option, Picker, address, filter_bar, merged, value_of, words_of
from coder_admin.dashboard.http import ViewerRequest, back, command, draw, page
from coder_admin.dashboard.selectors import inbox as selectors
from coder_admin.dashboard.statuses import LOOKS
from coder_admin.foundation.errors import Forbidden, Invalid, Validation
from coder_admin.foundation.pagination import page_of
from coder_admin.notifications import config, kinds, preferences, services
from coder_admin.notifications.models import Method

PICKERS = ("status", "method")
_METHODS = tuple(Option(method, name) for method, name in selectors.METHOD_NAMES.items())


@page
def settings(request: ViewerRequest) -> HttpResponse:
    """Which messages the reader wants, and by which methods."""
    context: dict[str, object] = {
        "groups": selectors.kind_choices(request.viewer, request.user),
        "methods": [(method, selectors.METHOD_NAMES[method]) for method in selectors.methods_on_offer()],
        "paused": config.is_paused(),
        "may_manage": selectors.may_manage(request.viewer),
    }
    return draw(request, "notifications/settings.html", context)


@command
def save(request: ViewerRequest) -> HttpResponse:
    """Store the whole page: what is not ticked is not wanted."""
    wanted: dict[uuid.UUID, set[str]] = {}
    for text in request.POST.getlist("kind"):
        wanted[_kind_id(text)] = set()
    for text in request.POST.getlist("wanted"):
        kind_text, _, method = text.partition(":")
        kind_id = _kind_id(kind_text)
        if method not in Method.values or kind_id not in wanted:
            raise Invalid(
                "The choice cannot be read.",
                validations=[Validation("wanted", "Reload the page, try again.")],
            )
        wanted[kind_id].add(method)
    preferences.choose(actor=request.viewer, user=request.user, wanted=wanted)
    messages.success(request, "Your notification settings are saved.")
    return HttpResponseRedirect(reverse("dashboard:notification-settings"))


def _kind_id(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise Invalid(
            "The choice cannot be read.", validations=[Validation("kind", "Reload the page, try again.")]
        ) from None


@page
def deliveries(request: ViewerRequest) -> HttpResponse:
    """The delivery log: what went to whom by which method, and why not."""
    canonical = merged(request.GET, PICKERS)
    if canonical is not None:
        return HttpResponseRedirect(address(request.path, canonical, {}))
    text = request.GET.get("filter", "")
    rows = selectors.messages(request.viewer)
    errors: list[str] = []
    try:
        rows = selectors.matching_messages(rows, words_of(text))
    except Invalid as error:
        errors = [f"{wrong.field}: {wrong.detail}" for wrong in error.validations]
        rows = rows.none()
    context: dict[str, object] = {
        "page": page_of(request.GET, rows),
        "counts": selectors.open_counts(),
        "may_manage": selectors.may_manage(request.viewer),
        "paused": config.is_paused(),
        "method_names": selectors.METHOD_NAMES,
        "filters": filter_bar(
            path=request.path,
            text=text,
            kept={},
            placeholder="Part of a username, or status:permanent_failure",
            hint="Words look in usernames; keys: status, method, kind.",
            errors=errors,
            pickers=(
                Picker(
                    "status",
                    "Status",
                    tuple(Option(key, look.label) for key, look in LOOKS["message"].items()),
                ),
                Picker("method", "Method", _METHODS),
            ),
        ),
        "failed_only": value_of(text, "status") == "permanent_failure",
    }
    return draw(request, "notifications/deliveries.html", context)


@page
def methods(request: ViewerRequest) -> HttpResponse:
    """By which method each kind goes unless somebody chose otherwise."""
    _require_manager(request)
    overrides = config.method_overrides()
    available = config.available_methods()
    groups: dict[str, list[dict[str, object]]] = {}
    for kind in kinds.all_kinds():
        groups.setdefault(kind.group.value, []).append(
            {"kind": kind, "method": str(overrides.get(kind.id, ""))}
        )
    context: dict[str, object] = {
        "groups": groups,
        "available": [(method, selectors.METHOD_NAMES[method]) for method in available],
        "options": [(method, selectors.METHOD_NAMES[method]) for method in config.EXTERNAL],
        "default": selectors.METHOD_NAMES[config.default_method()],
        "default_works": config.default_method() in available,
        "paused": config.is_paused(),
        "counts": selectors.open_counts(),
        "may_manage": True,
    }
    return draw(request, "notifications/methods.html", context)


@command
def set_method(request: ViewerRequest, kind: uuid.UUID) -> HttpResponse:
    """Choose the method of one kind."""
    return _done(
        request,
        lambda: config.method_set(actor=request.viewer, kind_id=kind, method=request.POST.get("method", "")),
        "The method is changed.",
    )


@command
def pause(request: ViewerRequest) -> HttpResponse:
    """Pause or resume sending."""
    wanted = request.POST.get("paused", "")
    if wanted not in ("true", "false"):
        raise Invalid("Say whether to pause.", validations=[Validation("paused", "must be true or false")])
    return _done(
        request,
        lambda: config.settings_update(actor=request.viewer, notifier_paused=wanted == "true"),
        "Notifications are paused." if wanted == "true" else "Notifications are sent again.",
    )


@command
def test(request: ViewerRequest) -> HttpResponse:
    """Send the test message to the reader."""
    queued = services.test_send(actor=request.viewer)
    if queued.ids:
        messages.success(request, f"A test message is on its way to you ({len(queued.ids)} deliveries).")
    else:
        reason = next(iter(queued.refused.values()), "nobody wants it")
        messages.error(request, f"The test message was not queued: {reason}.")
    return HttpResponseRedirect(back(request, reverse("dashboard:deliveries")))


@command
def retry(request: ViewerRequest, message: uuid.UUID) -> HttpResponse:
    """Have one message delivered again."""
    services.message_retry(actor=request.viewer, message_id=message)
    messages.success(request, "The message will be sent again.")
    return HttpResponseRedirect(back(request, reverse("dashboard:deliveries")))


def _require_manager(request: ViewerRequest) -> None:
    if not selectors.may_manage(request.viewer):
        raise Forbidden("You may not change how notifications are sent.")


def _done(request: ViewerRequest, act: Callable[[], object], said: str) -> HttpResponse:
    try:
        act()
        messages.success(request, said)
    except config.Unchanged as same:
        messages.info(request, str(same))
    return HttpResponseRedirect(back(request, reverse("dashboard:deliveries")))
