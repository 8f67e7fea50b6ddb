"""The kinds of messages, as data; each is registered by the room that sends it (reference 1.1).

Titles and bodies are Django templates over the payload, rendered when the message is sent. Bodies are
markdown; every value in them is escaped, so a name can never become markup. Actions are rendered when
the message is queued.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from .models import Method

_LABEL = re.compile(r"(?<![\w.])labels\.(\w+)")


class Group(StrEnum):
    WORKSPACE = "Workspace Events"
    TEMPLATE = "Template Events"
    USER = "User Events"
    NOTIFICATION = "Notification Events"


class Icon(StrEnum):
    """What a message shows when it has no icon of its own."""

    WORKSPACE = "DEFAULT_ICON_WORKSPACE"
    ACCOUNT = "DEFAULT_ICON_ACCOUNT"
    TEMPLATE = "DEFAULT_ICON_TEMPLATE"
    OTHER = "DEFAULT_ICON_OTHER"


@dataclass(frozen=True, slots=True)
class ActionTemplate:
    """A button: a label and an address, both templates; `urlencode` what goes into the address."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Digest:
    """How many incidents of the kind read as one message: templates over `labels` (those that all of them
    share, and of those named here the newest, so that a topic renamed meanwhile has a name) and
    `data.digest` (`count`, `since`, `until`, `incidents`, `more`); an incident has its labels, the texts
    and numbers of its data, the first entries of each mapping `x` of texts in it (`x_more`: how many are
    left out), and `at`. `window` None means the deployment's."""

    title_template: str
    body_template: str
    actions: tuple[ActionTemplate, ...] = ()
    window: timedelta | None = None

    @property
    def about(self) -> frozenset[str]:
        """The labels that its templates name: what all incidents have in common."""
        texts = (self.title_template, self.body_template, *(f"{one.label} {one.url}" for one in self.actions))
        return frozenset(name for text in texts for name in _LABEL.findall(text))


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of message. `default_method` None means the deployment's."""

    id: uuid.UUID
    name: str
    title_template: str
    body_template: str
    actions: tuple[ActionTemplate, ...] = ()
    group: Group = Group.NOTIFICATION
    default_method: Method | None = None
    enabled_by_default: bool = True
    icon: str = Icon.OTHER
    to_inbox: bool = True
    digest: Digest | None = None
    summary: str = ""  # for the preferences page: when it is sent, and to whom
    audience: tuple[str, ...] = ()  # site roles of which one is needed to ever get it; () = anybody may


_kinds: dict[uuid.UUID, Kind] = {}


def register(kind: Kind) -> Kind:
    """Make a kind known. Registering the same again is harmless, another kind with its id is a mistake."""
    known = _kinds.setdefault(kind.id, kind)
    if known != kind:
        raise ValueError(f"notification kind id {kind.id} is taken by {known.name!r}")
    return kind


def find(kind_id: uuid.UUID) -> Kind | None:
    return _kinds.get(kind_id)


def all_kinds() -> list[Kind]:
    """Every registered kind, by group and name."""
    order = list(Group)
    return sorted(_kinds.values(), key=lambda kind: (order.index(kind.group), kind.name))


TEST = register(
    Kind(
        id=uuid.UUID("c425f63e-716a-4bf4-ae24-78348f706c3f"),
        name="Test Notification",
        title_template="A test notification",
        body_template="This is a test notification. If you can read it, notifications reach you.",
        actions=(ActionTemplate("View notification settings", "{{ base_url }}/settings/notifications"),),
        summary="Sent to yourself with the test button of the notification settings.",
    )
)
