"""Whether and how messages leave: methods that are configured, the pause switch (reference 1.3, 1.4)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping

from django.conf import settings
from django.db import transaction

from coder_admin.audit.services import record
from coder_admin.foundation.errors import Invalid, NotFound, ServiceError, Validation
from coder_admin.foundation.models import SiteConfig
from rbac.django import require
from rbac.model import Action, RbacObject, ResourceType, Subject

from . import kinds
from .kinds import Kind
from .methods import Ways, ways_of
from .models import Method, NotificationMethodOverride
from .wake import wake

SETTINGS_KEY = "notifications_settings"
CONFIG = RbacObject(ResourceType.DEPLOYMENT_CONFIG)
TEMPLATES = RbacObject(ResourceType.NOTIFICATION_TEMPLATE)
SMTP_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
EXTERNAL = (Method.SMTP, Method.WEBHOOK)


class Unchanged(ServiceError):
    """The setting has that value already; nothing was written."""

    status = 304


def available_methods() -> list[Method]:
    """External methods of which this deployment knows where to deliver."""
    found = [Method.SMTP] if settings.EMAIL_HOST or settings.EMAIL_BACKEND != SMTP_BACKEND else []
    return found + ([Method.WEBHOOK] if settings.NOTIFICATIONS_WEBHOOK_ENDPOINT else [])


def default_method() -> Method:
    """CODER_NOTIFICATIONS_METHOD; the inbox cannot be it, for it always comes on top."""
    return Method(settings.NOTIFICATIONS_METHOD)


def ways(kind: Kind) -> Ways:
    """By which methods messages of this kind go unless somebody chose otherwise, and by which they may."""
    override = NotificationMethodOverride.objects.filter(pk=kind.id).values_list("method", flat=True).first()
    return ways_with(kind, Method(override) if override else None)


def ways_with(kind: Kind, override: Method | None) -> Ways:
    """The same, given the deployment's own method for the kind."""
    external = override or kind.default_method or default_method()
    available = available_methods()
    return ways_of(
        external if external in available else None,
        available,
        inbox=settings.NOTIFICATIONS_INBOX_ENABLED and kind.to_inbox,
    )


def method_overrides() -> dict[uuid.UUID, Method]:
    """The deployment's own methods by kind."""
    rows = NotificationMethodOverride.objects.values_list("notification_template_id", "method")
    return {kind_id: Method(method) for kind_id, method in rows}


def is_paused() -> bool:
    """Whether sending is paused; messages are still queued."""
    row = SiteConfig.objects.filter(key=SETTINGS_KEY).first()
    return bool(row is not None and json.loads(row.value or "{}").get("notifier_paused"))


def settings_get(*, viewer: Subject) -> Mapping[str, bool]:
    """The deployment's settings; anybody who is logged in may know them."""
    return {"notifier_paused": is_paused()}


@transaction.atomic
def settings_update(*, actor: Subject, notifier_paused: bool) -> Mapping[str, bool]:
    """Pause or resume sending. Raises Unchanged when it is so already."""
    require(actor, Action.UPDATE, CONFIG, message="You may not change the notification settings.")
    before = is_paused()
    if before == notifier_paused:
        raise Unchanged("The notification settings are unchanged.")
    SiteConfig.objects.update_or_create(
        key=SETTINGS_KEY, defaults={"value": json.dumps({"notifier_paused": notifier_paused})}
    )
    record(
        actor=actor,
        action="write",
        resource_type="notifications_settings",
        resource_target="notifications",
        diff={"notifier_paused": {"old": before, "new": notifier_paused, "secret": False}},
    )
    if not notifier_paused:
        wake()
    return {"notifier_paused": notifier_paused}


@transaction.atomic
def method_set(*, actor: Subject, kind_id: uuid.UUID, method: str) -> None:
    """Send a kind by this method in place of the deployment's default, "" for the default again.

    Raises Forbidden, NotFound, Invalid, and Unchanged when it is so already.
    """
    require(actor, Action.UPDATE, TEMPLATES, message="You may not change how notifications are sent.")
    kind = kinds.find(kind_id)
    if kind is None:
        raise NotFound
    if method not in ("", *EXTERNAL):
        raise Invalid(
            f"{method!r} is not a valid method.",
            detail="The inbox always comes on top.",
            validations=[Validation("method", 'Use smtp, webhook or "" for the deployment\'s default.')],
        )
    before = method_overrides().get(kind_id, "")
    if before == method:
        raise Unchanged("The method is unchanged.")
    if method:
        NotificationMethodOverride.objects.update_or_create(pk=kind_id, defaults={"method": method})
    else:
        NotificationMethodOverride.objects.filter(pk=kind_id).delete()
    record(
        actor=actor,
        action="write",
        resource_type="notification_template",
        resource_id=kind_id,
        resource_target=kind.name,
        diff={"method": {"old": str(before), "new": method, "secret": False}},
    )
