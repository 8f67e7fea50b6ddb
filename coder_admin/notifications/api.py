"""REST of notifications: the inbox, settings, kinds and preferences (reference 1.4, 1.5)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from coder_admin.foundation.errors import Invalid, Validation
from coder_admin.organizations.models import User
from coder_admin.organizations.resolution import resolve_user
from rbac.rest import ApiView

from . import config, kinds, preferences, selectors, services
from .forms import MethodForm, MethodPreferencesForm, PreferencesForm, ReadForm, SettingsForm
from .kinds import Kind
from .models import InboxNotification, Method
from .selectors import InboxFilter, ReadStatus

LIST_KEYS = ("targets", "templates", "read_status", "starting_before")
WATCH_KEYS = ("targets", "templates", "read_status", "format")
FORMATS = ("markdown", "plaintext")
MOST_VALUES = 100
"""Values of one filter: each target costs the database a condition, and SQLite takes no thousand of them."""


class InboxView(ApiView):
    """The caller's messages, 25 at a time, newest first."""

    @extend_schema(
        parameters=[OpenApiParameter(name, str) for name in LIST_KEYS], responses=OpenApiTypes.OBJECT
    )
    def get(self, request: Request) -> Response:
        query = request.query_params
        wanted = inbox_filter(dict(query.lists()), LIST_KEYS)
        before = query.get("starting_before", "").strip()
        page = selectors.inbox_page(
            viewer=self.actor, wanted=wanted, starting_before=uuid.UUID(before) if before else None
        )
        return Response(
            {
                "notifications": [inbox_json(row) for row in page],
                "unread_count": services.unread_count(self.actor.id),
            }
        )


class InboxReadView(ApiView):
    """Mark one message as read or unread."""

    @extend_schema(request=ReadForm, responses=OpenApiTypes.OBJECT)
    def put(self, request: Request, notification_id: str) -> Response:
        data = self.parse(ReadForm)
        row = services.inbox_mark(
            actor=self.actor, notification_id=_uuid("id", notification_id), is_read=data["is_read"]
        )
        return Response(
            {"notification": inbox_json(row), "unread_count": services.unread_count(self.actor.id)}
        )


class InboxReadAllView(ApiView):
    """Mark all of the caller's messages as read."""

    @extend_schema(request=None, responses={204: None})
    def put(self, request: Request) -> Response:
        services.inbox_mark_all(actor=self.actor)
        return Response(status=204)


class SettingsView(ApiView):
    """Whether sending is paused; messages are queued all the same."""

    @extend_schema(responses=SettingsForm)
    def get(self, request: Request) -> Response:
        return Response(config.settings_get(viewer=self.actor))

    @extend_schema(request=SettingsForm, responses=SettingsForm)
    def put(self, request: Request) -> Response:
        data = self.parse(SettingsForm)
        try:
            return Response(config.settings_update(actor=self.actor, notifier_paused=data["notifier_paused"]))
        except config.Unchanged:
            return Response(status=304)


class TestView(ApiView):
    """Send a test message to the caller."""

    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request) -> Response:
        services.test_send(actor=self.actor)
        return Response(status=204)


class KindMethodView(ApiView):
    """Send one kind by a method of its own, "" for the deployment's default."""

    @extend_schema(request=MethodForm, responses=OpenApiTypes.OBJECT)
    def put(self, request: Request, template_id: str) -> Response:
        kind_id = _uuid("id", template_id)
        try:
            config.method_set(actor=self.actor, kind_id=kind_id, method=self.parse(MethodForm)["method"])
        except config.Unchanged:
            return Response(status=304)
        kind = kinds.find(kind_id)
        return Response(kind_json(kind, config.method_overrides()) if kind else {})


class KindsView(ApiView):
    """The kinds of messages that this deployment can send."""

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        overrides = config.method_overrides()
        return Response([kind_json(kind, overrides) for kind in kinds.all_kinds()])


class MethodsView(ApiView):
    """The external ways of delivery; the inbox always comes on top."""

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        return Response(
            {
                "available": [method.value for method in config.available_methods()],
                "default": config.default_method().value,
            }
        )


class PreferencesView(ApiView):
    """Which kinds a user does not want."""

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, user: str) -> Response:
        return Response(self._all(self._user(user)))

    @extend_schema(request=PreferencesForm, responses=OpenApiTypes.OBJECT)
    def put(self, request: Request, user: str) -> Response:
        data = self.parse(PreferencesForm)
        owner = self._user(user)
        preferences.update(actor=self.actor, user=owner, disabled=data["template_disabled_map"])
        return Response(self._all(owner))

    def _user(self, text: str) -> User:
        me = self.request.user if isinstance(self.request.user, User) else None
        return resolve_user(self.actor, text, me=me)

    def _all(self, user: User) -> list[dict[str, Any]]:
        """The choices about whole kinds; kinds without one follow their default."""
        return [
            {"id": str(row.notification_template_id), "disabled": row.disabled, "updated_at": row.updated_at}
            for row in preferences.stored(viewer=self.actor, user=user)
            if not row.method
        ]


class MethodPreferencesView(PreferencesView):
    """By which methods a user does not want a kind, or wants it beside the usual ones."""

    @extend_schema(request=MethodPreferencesForm, responses=OpenApiTypes.OBJECT)
    def put(self, request: Request, user: str) -> Response:
        data = self.parse(MethodPreferencesForm)
        owner = self._user(user)
        preferences.update_methods(actor=self.actor, user=owner, disabled=data["method_disabled_map"])
        return Response(self._all(owner))

    def _all(self, user: User) -> list[dict[str, Any]]:
        return [
            {
                "id": str(row.notification_template_id),
                "method": row.method,
                "disabled": row.disabled,
                "updated_at": row.updated_at,
            }
            for row in preferences.stored(viewer=self.actor, user=user)
            if row.method
        ]


def inbox_json(row: InboxNotification) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "user_id": str(row.user_id),
        "template_id": str(row.template_id),
        "targets": row.targets,
        "title": row.title,
        "content": row.content,
        "icon": row.icon,
        "actions": row.actions,
        "read_at": row.read_at,
        "created_at": row.created_at,
    }


def kind_json(kind: Kind, overrides: Mapping[uuid.UUID, Method]) -> dict[str, Any]:
    method = overrides.get(kind.id) or kind.default_method
    return {
        "id": str(kind.id),
        "name": kind.name,
        "title_template": kind.title_template,
        "body_template": kind.body_template,
        "actions": json.dumps([{"label": a.label, "url": a.url} for a in kind.actions]),
        "group": kind.group.value,
        "method": method.value if method else "",
        "kind": "system",
        "enabled_by_default": kind.enabled_by_default,
    }


def inbox_filter(query: Mapping[str, Sequence[str]], keys: Collection[str]) -> InboxFilter:
    """The filter of a list or watch request: `query` holds every value of each key.

    `targets` and `templates` may be repeated and hold lists, the others are said once. Raises one Invalid
    that names every bad key and value.
    """
    wrong = [
        Validation(name, f'"{name}" is not a valid query param. Valid ones: {", ".join(keys)}.')
        for name in query
        if name not in keys
    ]
    lists = {name: _uuids(name, query.get(name, ()), wrong) for name in ("targets", "templates")}
    if unknown := [str(kind_id) for kind_id in lists["templates"] if kinds.find(kind_id) is None]:
        wrong.append(Validation("templates", f"{', '.join(unknown)}: no kind of notification."))
    _one("starting_before", query, wrong, lambda text: _parse(text.strip()) is not None, "Use a valid UUID.")
    status = _one("read_status", query, wrong, set(ReadStatus).__contains__, "Use all, read or unread.")
    _one("format", query, wrong, FORMATS.__contains__, f"Use {' or '.join(FORMATS)}.")
    if wrong:
        raise Invalid("Query parameters have invalid values.", validations=wrong)
    return InboxFilter(lists["targets"], lists["templates"], ReadStatus(status or ReadStatus.ALL))


def _uuids(name: str, values: Sequence[str], wrong: list[Validation]) -> tuple[uuid.UUID, ...]:
    parts = [part.strip() for value in values for part in value.split(",") if part.strip()]
    if len(parts) > MOST_VALUES:
        wrong.append(Validation(name, f"There are {len(parts)} values; at most {MOST_VALUES} are allowed."))
        return ()
    found = [_parse(part) for part in parts]
    if None in found:
        wrong.append(Validation(name, f'Query param "{name}" must be valid UUIDs, separated by commas.'))
        return ()
    return tuple(dict.fromkeys(one for one in found if one is not None))


def _one(
    name: str,
    query: Mapping[str, Sequence[str]],
    wrong: list[Validation],
    is_valid: Callable[[str], bool],
    words: str,
) -> str:
    """The one value of a key, "" when it is not given or empty."""
    values = query.get(name, ())
    if len(values) > 1:
        wrong.append(Validation(name, f'Query param "{name}" may be given only once.'))
    elif values and values[0].strip() and not is_valid(values[0]):
        wrong.append(Validation(name, words))
    return values[0].strip() if values else ""


def _parse(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def _uuid(name: str, text: str) -> uuid.UUID:
    found = _parse(text)
    if found is None:
        raise Invalid(
            f"{name} must be a valid UUID.", validations=[Validation(name, f"{text!r} is not a UUID.")]
        )
    return found
