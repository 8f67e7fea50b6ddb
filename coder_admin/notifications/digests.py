"""Telling what bursts held back, once their windows have ended."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from django.db import connection, transaction
from django.db.models import Exists, OuterRef

from . import bursts, kinds
from .enqueue import Fact, queue
from .models import NotificationBurst, NotificationIncident, NotificationTold
from .recipients import roles_of

log = structlog.get_logger(__name__)

AT_A_TIME = 1_000  # incidents of one burst told in one message; the rest comes with the next
FORGOTTEN_AFTER = timedelta(days=1)
FORGOTTEN_AT_A_TIME = 5_000  # bursts


def tell_due(now: datetime) -> int:
    """Queue one message per burst and set of recipients whose window has ended; returns how many bursts.

    Whoever was suspended or deleted meanwhile, or has lost the role that they were named for, gets none.
    Any number of processes may do this at once: each burst is one transaction under its row's lock.
    """
    held = NotificationIncident.objects.filter(burst=OuterRef("pk"))
    due = NotificationBurst.objects.filter(Exists(held), quiet_until__lte=now).order_by("quiet_until")
    told = 0
    for burst_id in due.values_list("pk", flat=True)[:100]:
        try:
            told += _tell(burst_id, now)
        except Exception:  # one that cannot be told must not hold up the others
            log.exception("burst not told", burst=burst_id)
    return told


@transaction.atomic
def _tell(burst_id: int, now: datetime) -> bool:
    rows = NotificationBurst.objects.filter(pk=burst_id, quiet_until__lte=now)
    if connection.features.has_select_for_update_skip_locked:
        rows = rows.select_for_update(skip_locked=True)
    burst = rows.first()
    if burst is None:
        return False
    incidents = list(burst.incidents.all()[:AT_A_TIME])
    if incidents:
        kind = kinds.find(burst.notification_template_id) or _unknown(burst, len(incidents))
        about = kind.digest.about if kind.digest is not None else ()
        roles = roles_of(user_id for row in incidents for user_id in row.recipients)
        meant = [bursts.still_meant(_incident(row), roles) for row in incidents]
        for told in bursts.together(meant, about):
            fact = Fact(kind, told.labels, told.data, told.targets, told.created_by, now)
            queue(fact, told.recipients)
        burst.quiet_until = now + bursts.window_of(kind)
        burst.save(update_fields=["quiet_until"])
        NotificationTold.objects.bulk_create(
            NotificationTold(burst=burst, fingerprint=row.fingerprint, recipients=row.recipients, told_at=now)
            for row in incidents
        )
    burst.incidents.filter(pk__in=[row.pk for row in incidents]).delete()
    return bool(incidents)


def _unknown(burst: NotificationBurst, incidents: int) -> kinds.Kind:
    """A stand-in for a kind that nobody registers any more: what was held goes into the outbox all the same,
    where the dispatcher fails it with that reason, and it can be sent again."""
    kind_id = burst.notification_template_id
    log.warning(
        "incidents of an unknown kind", kind=str(kind_id), incidents=incidents, topic=str(burst.topic)
    )
    return kinds.Kind(id=kind_id, name="Unknown kind", title_template="", body_template="")


def _incident(row: NotificationIncident) -> bursts.Incident:
    return bursts.Incident(
        tuple(row.recipients),
        row.labels,
        row.data,
        tuple(row.targets),
        row.created_by,
        row.created_at,
        tuple(row.audience),
    )


@transaction.atomic
def forget_old(now: datetime) -> None:
    """Delete bursts that ended long ago and hold nothing back, and what was told on a day that has passed.

    A burst that a fact has locked is left alone.
    """
    NotificationTold.objects.filter(told_at__lt=bursts.start_of_day(now)).delete()
    held = NotificationIncident.objects.filter(burst=OuterRef("pk"))
    old = NotificationBurst.objects.filter(~Exists(held), quiet_until__lt=now - FORGOTTEN_AFTER)
    rows = old.order_by("pk")
    if connection.features.has_select_for_update_skip_locked:
        rows = rows.select_for_update(skip_locked=True)
    locked = list(rows.values_list("pk", flat=True)[:FORGOTTEN_AT_A_TIME])
    # Asked once more under the locks: the first answer may be from before an incident that came since.
    old.filter(pk__in=locked).delete()
