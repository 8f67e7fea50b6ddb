"""Whether and how messages leave: methods that are configured, and the pause switch (reference 1.3, 1.4)."""

from __future__ import annotations

import json
from collections.abc import Mapping

from django.conf import settings
from django.db import transaction

from coder_admin.audit.services import record
from coder_admin.foundation.errors import ServiceError
from coder_admin.foundation.models import SiteConfig
from rbac.django import require
from rbac.model import Action, RbacObject, ResourceType, Subject

from .models import Method

SETTINGS_KEY = "notifications_settings"
CONFIG = RbacObject(ResourceType.DEPLOYMENT_CONFIG)


class Unchanged(ServiceError):
    """The setting has that value already; nothing was written."""

    status = 304


def available_methods() -> list[Method]:
    """External methods of which this deployment knows where to deliver."""
    smtp_backend = settings.EMAIL_BACKEND == "django.core.mail.backends.smtp.EmailBackend"
    return [Method.SMTP] if settings.EMAIL_HOST or not smtp_backend else []


def default_method() -> Method:
    """CODER_NOTIFICATIONS_METHOD; the inbox cannot be it, for it always comes on top."""
    method = settings.NOTIFICATIONS_METHOD
    if method not in (Method.SMTP, Method.WEBHOOK):
        raise ValueError(f"CODER_NOTIFICATIONS_METHOD must be smtp or webhook, not {method!r}")
    return Method(method)


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
    return {"notifier_paused": notifier_paused}
