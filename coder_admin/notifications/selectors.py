"""Reads of the inbox, the kinds and the preferences."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from enum import StrEnum

from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast

from rbac.filters import FieldMap, visible_q
from rbac.model import Action, ResourceType, Subject

from .models import InboxNotification

PAGE_SIZE = 25
_INBOX = FieldMap(ResourceType.INBOX_NOTIFICATION, owner="user_id")


class ReadStatus(StrEnum):
    ALL = "all"
    READ = "read"
    UNREAD = "unread"


@dataclass(frozen=True, slots=True)
class InboxFilter:
    """`targets`: the message must have all of them; `templates`: it is of any of these kinds."""

    targets: tuple[uuid.UUID, ...] = ()
    templates: tuple[uuid.UUID, ...] = ()
    read_status: ReadStatus = ReadStatus.ALL

    def matches(self, row: InboxNotification) -> bool:
        """The filter on one row; the list asks the database the same."""
        if self.templates and row.template_id not in self.templates:
            return False
        if self.read_status is not ReadStatus.ALL and (row.read_at is None) != (
            self.read_status is ReadStatus.UNREAD
        ):
            return False
        return {str(target) for target in self.targets} <= set(row.targets)


def inbox(*, viewer: Subject, wanted: InboxFilter | None = None) -> QuerySet[InboxNotification]:
    """The viewer's own messages, newest first."""
    wanted = wanted or InboxFilter()
    rows = InboxNotification.objects.filter(visible_q(viewer, Action.READ, _INBOX), user_id=viewer.id)
    if wanted.read_status is not ReadStatus.ALL:
        rows = rows.filter(read_at__isnull=wanted.read_status is ReadStatus.UNREAD)
    if wanted.templates:
        rows = rows.filter(template_id__in=wanted.templates)
    if wanted.targets:
        # A list of UUIDs as text: SQLite has no lookup within JSON lists, and a UUID is nothing's part.
        rows = rows.annotate(targets_text=Cast("targets", TextField()))
        for target in wanted.targets:
            rows = rows.filter(targets_text__contains=str(target))
    return rows


def inbox_page(
    *,
    viewer: Subject,
    wanted: InboxFilter | None = None,
    starting_before: uuid.UUID | None = None,
    size: int = PAGE_SIZE,
) -> list[InboxNotification]:
    """`size` messages, those older than `starting_before`; an id that is not in the inbox is ignored."""
    rows = inbox(viewer=viewer, wanted=wanted)
    if starting_before is not None:
        last = inbox(viewer=viewer).filter(pk=starting_before).first()
        if last is not None:
            rows = rows.filter(
                Q(created_at__lt=last.created_at) | Q(created_at=last.created_at, id__lt=last.id)
            )
    return list(rows[:size])


def number_down_to(*, viewer: Subject, notification_id: uuid.UUID, most: int) -> int:
    """How many messages there are from the newest down to this one, at most `most`; 0 when it is not in
    the inbox."""
    rows = inbox(viewer=viewer)
    last = rows.filter(pk=notification_id).first()
    if last is None:
        return 0
    newer = Q(created_at__gt=last.created_at) | Q(created_at=last.created_at, id__gte=last.id)
    return rows.filter(newer)[:most].count()


def inbox_get(*, viewer: Subject, notification_id: uuid.UUID) -> InboxNotification | None:
    return inbox(viewer=viewer).filter(pk=notification_id).first()
