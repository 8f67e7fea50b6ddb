"""Word that somebody's login or rights changed, for what they have open: looked at again at once.

A hint like every event: what is open is looked at by itself too (`socket_life.RECHECK_SECONDS`).
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from typing import Final

from coder_admin.foundation.events import publish_all

from .models import GroupMember, OrganizationMember

MOST: Final = 200
"""A change that concerns more people than this sends no word: what they have open is looked at in its turn,
instead of all of it in the same second."""


def access_topic(user_id: object) -> str:
    """The topic on which everything that a person has open hears of changes of their rights."""
    return f"access:{user_id}"


def access_changed(user_ids: Iterable[object]) -> None:
    """These people may see more or less from the commit on, or have logged out."""
    topics = dict.fromkeys(access_topic(id_) for id_ in user_ids)
    if len(topics) <= MOST:
        publish_all([(topic, {}) for topic in topics])


def access_changed_for(*, users: Collection[object] = (), groups: Collection[object] = ()) -> None:
    """As `access_changed`, for people and members of groups (ids); of Everyone: all of the organization."""
    ids = [uuid.UUID(str(id_)) for id_ in groups]
    found = [str(id_) for id_ in users]
    if ids:
        for rows in (
            GroupMember.objects.filter(group__in=ids),
            OrganizationMember.objects.filter(organization__in=ids),
        ):
            found += map(str, rows.values_list("user_id", flat=True)[: MOST + 1])
    access_changed(found)
