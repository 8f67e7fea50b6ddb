"""Which live topics a viewer may follow. A topic is `kind:id`; what cannot be read cannot be followed."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from coder_admin.organizations.access_news import USERS_TOPIC
from rbac.model import Action, RbacObject, ResourceType, Subject
from rbac.policy import allowed

from .selectors import live as selectors

Readable = Callable[[Subject, set[uuid.UUID]], set[uuid.UUID]]


def _own_inbox(viewer: Subject, ids: set[uuid.UUID]) -> set[uuid.UUID]:
    def readable(owner: uuid.UUID) -> bool:
        inbox = RbacObject(ResourceType.INBOX_NOTIFICATION, owner=str(owner))
        return str(owner) == viewer.id and allowed(viewer, Action.READ, inbox)

    return {owner for owner in ids if readable(owner)}


def _users(viewer: Subject, ids: set[uuid.UUID]) -> set[uuid.UUID]:
    """The one list of the deployment's users, for who may read people beyond themselves."""
    everybody = uuid.UUID(USERS_TOPIC.partition(":")[2])
    may_read = allowed(viewer, Action.READ, RbacObject(ResourceType.USER))
    return ids & {everybody} if may_read else set()


READABLE: Mapping[str, Readable] = MappingProxyType(
    {
        "workspace": selectors.readable_workspaces,
        "workspaces": selectors.readable_organizations,
        "pools": selectors.readable_organizations,
        "people": selectors.readable_organizations,
        "users": _users,
        "job": selectors.readable_jobs,
        "agent-logs": selectors.readable_agents,
        "template": selectors.readable_templates,
        "template-version": selectors.readable_versions,
        "inbox": _own_inbox,
    }
)


@dataclass(frozen=True)
class Answer:
    """The topics that may be followed, and those that may not or do not exist (not told apart)."""

    granted: tuple[str, ...]
    refused: tuple[str, ...]


def authorise(viewer: Subject, topics: Iterable[str]) -> Answer:
    """One query per kind of topic, whatever their number."""
    asked = list(dict.fromkeys(topics))
    by_kind: dict[str, dict[uuid.UUID, str]] = {}
    for topic in asked:
        kind, _, text = topic.partition(":")
        try:
            identity = uuid.UUID(text)
        except ValueError:
            continue
        if kind in READABLE and str(identity) == text:
            by_kind.setdefault(kind, {})[identity] = topic
    granted = {
        topics_of_kind[identity]
        for kind, topics_of_kind in by_kind.items()
        for identity in READABLE[kind](viewer, set(topics_of_kind))
        if identity in topics_of_kind
    }
    return Answer(
        granted=tuple(topic for topic in asked if topic in granted),
        refused=tuple(topic for topic in asked if topic not in granted),
    )


MAX_LIST_TOPICS = 50


def topics_of_lists(viewer: Subject, *kinds: str) -> str:
    """The `data-live` of a list over organizations: each kind for each readable organization."""
    organizations = selectors.organizations_to_follow(viewer, MAX_LIST_TOPICS)
    return " ".join(f"{kind}:{organization}" for organization in organizations for kind in kinds)
