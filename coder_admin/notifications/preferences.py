"""Which kinds of messages a person wants, and by which methods."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from django.db import transaction
from django.utils import timezone

from coder_admin.foundation.errors import Invalid, Validation
from coder_admin.organizations.models import User
from rbac.django import require
from rbac.model import Action, RbacObject, ResourceType, Subject

from . import config, kinds
from .methods import WHOLE, Choice, rows_for
from .models import Method, NotificationPreference


def _may(actor: Subject, action: Action, user: User) -> None:
    target = RbacObject(ResourceType.NOTIFICATION_PREFERENCE, id=str(user.id), owner=str(user.id))
    require(actor, action, target, message="You may not change this user's notification preferences.")


def stored(*, viewer: Subject, user: User) -> list[NotificationPreference]:
    """Every choice that the user has stored; what has no row follows its default."""
    _may(viewer, Action.READ, user)
    rows = NotificationPreference.objects.filter(user=user)
    return list(rows.order_by("notification_template_id", "method"))


def choices(*, viewer: Subject, user: User) -> dict[uuid.UUID, Choice]:
    """The same, by kind."""
    found: dict[uuid.UUID, dict[str, bool]] = defaultdict(dict)
    for row in stored(viewer=viewer, user=user):
        found[row.notification_template_id][row.method] = row.disabled
    return {kind_id: Choice(disabled) for kind_id, disabled in found.items()}


@transaction.atomic
def update(*, actor: Subject, user: User, disabled: Mapping[str, bool]) -> None:
    """Set which kinds a person does not want at all. Raises Invalid for ids that are no kinds."""
    _may(actor, Action.UPDATE, user)
    wrong = _wrong_kinds("template_disabled_map", disabled)
    if wrong:
        raise Invalid("The notification preferences are not valid.", validations=wrong)
    _store(user, {(uuid.UUID(text), WHOLE): bool(off) for text, off in disabled.items()})


@transaction.atomic
def update_methods(*, actor: Subject, user: User, disabled: Mapping[str, Mapping[str, bool]]) -> None:
    """Set by which methods a person does not want a kind: kind id to method to `disabled`."""
    _may(actor, Action.UPDATE, user)
    name = "method_disabled_map"
    wrong = _wrong_kinds(name, disabled)
    known = ", ".join(Method.values)
    for text, methods in disabled.items():
        wrong += [
            Validation(name, f"{text}: {method!r} is no method; there are {known}.")
            for method in methods
            if method not in Method.values
        ]
    if wrong:
        raise Invalid("The notification preferences are not valid.", validations=wrong)
    _store(
        user,
        {
            (uuid.UUID(text), method): bool(off)
            for text, methods in disabled.items()
            for method, off in methods.items()
        },
    )


@transaction.atomic
def choose(*, actor: Subject, user: User, wanted: Mapping[uuid.UUID, Collection[str]]) -> None:
    """Want each of these kinds by exactly these methods; a kind with none is not wanted at all.

    Kinds that are not named keep what was chosen. Choices for methods that the deployment has not
    configured are kept too.
    """
    _may(actor, Action.UPDATE, user)
    overrides = config.method_overrides()
    rows: dict[tuple[uuid.UUID, str], bool] = {}
    touched: list[tuple[uuid.UUID, list[str]]] = []
    opted_in = set(
        NotificationPreference.objects.filter(user=user, disabled=False).values_list(
            "notification_template_id", "method"
        )
    )
    for kind_id, methods in wanted.items():
        kind = kinds.find(kind_id)
        if kind is None:
            raise Invalid(
                "The notification preferences are not valid.",
                validations=[Validation("kind", f"{kind_id} is no kind of notification.")],
            )
        ways = config.ways_with(kind, overrides.get(kind_id))
        for method, off in rows_for(methods, ways, enabled_by_default=kind.enabled_by_default).items():
            rows[kind_id, method] = off
        # Wanted once and no longer: said in a row, so that what is queued already is held back too.
        unusual = [] if kind.enabled_by_default else [WHOLE]
        unusual += [method for method in ways.possible if method not in ways.usual]
        for method in unusual:
            if (kind_id, method) in opted_in and not rows.get((kind_id, WHOLE)):
                rows.setdefault((kind_id, method), True)
        touched.append((kind_id, [WHOLE, *ways.possible]))
    for kind_id, methods_of_kind in touched:
        keep = [method for method in methods_of_kind if (kind_id, method) in rows]
        NotificationPreference.objects.filter(
            user=user, notification_template_id=kind_id, method__in=set(methods_of_kind) - set(keep)
        ).delete()
    _store(user, rows)


def _wrong_kinds(field: str, texts: Iterable[str]) -> list[Validation]:
    wrong = []
    for text in texts:
        try:
            known = kinds.find(uuid.UUID(text)) is not None
        except ValueError:
            wrong.append(Validation(field, f"{text!r} is not a UUID."))
            continue
        if not known:
            wrong.append(Validation(field, f"{text} is no kind of notification."))
    return wrong


def _store(user: User, disabled: Mapping[tuple[uuid.UUID, str], bool]) -> None:
    now = timezone.now()
    NotificationPreference.objects.bulk_create(
        [
            NotificationPreference(
                user=user, notification_template_id=kind_id, method=method, disabled=off, updated_at=now
            )
            for (kind_id, method), off in disabled.items()
        ],
        update_conflicts=True,
        unique_fields=["user", "notification_template_id", "method"],
        update_fields=["disabled", "updated_at"],
    )
