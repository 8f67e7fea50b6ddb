"""What the frame of every page shows: organizations, unread messages, whether prebuilds are paused."""

from __future__ import annotations

from django.db.models import QuerySet

from coder_admin.notifications.services import unread_count as unread_messages
from coder_admin.organizations.models import Organization
from prebuilds.settings import reconciliation_paused
from rbac.model import Subject


def organizations(viewer: Subject) -> QuerySet[Organization]:
    """Live organizations that the viewer may read, by name."""
    return Organization.objects.live().visible_to(viewer).order_by("name")


def unread_count(viewer: Subject) -> int:
    """Unread messages of the viewer, whatever their kind."""
    return unread_messages(viewer.id)


def prebuilds_paused() -> bool:
    """Whether the reconciliation of prebuilds is paused."""
    return reconciliation_paused()
