"""Word that people changed: to lists of them, and to what somebody has open, when their login or rights did.

Hints like every event: what is open is looked at by itself too (`socket_life.RECHECK_SECONDS`).
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from typing import Final

from coder_admin.foundation.events import publish, publish_all

from .models import GroupMember, OrganizationMember

MOST: Final = 200
"""A change that concerns more people than this sends no word: what they have open is looked at in its turn,
instead of all of it in the same second."""


USERS_TOPIC: Final = f"users:{uuid.UUID(int=0)}"
"""On it lists of the deployment's users hear of changes: an organization's topic without one."""


def users_changed() -> None:
    """A user was made, changed or deleted."""
    publish(USERS_TOPIC, {"kind": "user"})


def people_changed(organization_id: object) -> None:
    """The members or groups of an organization changed."""
    publish(f"people:{organization_id}", {"kind": "people"})


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
