"""What the inbox, the preferences and the page of all notifications read."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from django.db.models import Count, Q, QuerySet
from django.urls import reverse

from coder_admin.catalog.models import Template, TemplateVersion, TemplateVersionPreset
from coder_admin.foundation.errors import Invalid, Validation
from coder_admin.notifications import config, kinds, preferences
from coder_admin.notifications.kinds import Kind
from coder_admin.notifications.methods import Choice, Ways
from coder_admin.notifications.models import (
    UNSETTLED,
    InboxNotification,
    MessageStatus,
    Method,
    NotificationMessage,
)
from coder_admin.notifications.selectors import inbox
from coder_admin.organizations.models import User
from coder_admin.workspaces.models import Workspace, WorkspaceBuild
from rbac.django import may, require
from rbac.model import Action, RbacObject, ResourceType, Subject

MOST_TEMPLATES = 100  # offered to choose from
NEWEST = 1_000  # messages that are looked at for what they are about
MOST_TARGETS = 5_000  # of these messages together
MOST_CONCERNS = 10  # links of one message
METHOD_NAMES: Mapping[str, str] = {Method.INBOX: "Inbox", Method.SMTP: "E-mail", Method.WEBHOOK: "Webhook"}


@dataclass(frozen=True)
class Concern:
    """A link to what a message is about."""

    label: str
    url: str
    icon: str


@dataclass(frozen=True)
class Item:
    """A message with the links to what it is about."""

    row: InboxNotification
    kind_name: str
    concerns: tuple[Concern, ...] = ()
    more: int = 0  # what it is about beside these


def items(viewer: Subject, rows: Sequence[InboxNotification]) -> list[Item]:
    """Messages with links to the templates, versions, presets, workspaces and builds among their targets that
    the viewer may see: one query for each of these, whatever their number."""
    wanted = {target for row in rows for target in row.targets}
    found = _concerns(viewer, wanted) if wanted else {}
    return [_item(row, [found[target] for target in row.targets if target in found]) for row in rows]


def _item(row: InboxNotification, concerns: Sequence[Concern]) -> Item:
    shown = tuple(concerns[:MOST_CONCERNS])
    return Item(row, _name_of(row.template_id), shown, len(concerns) - len(shown))


def _name_of(kind_id: uuid.UUID) -> str:
    kind = kinds.find(kind_id)
    return kind.name if kind is not None else ""


def _concerns(viewer: Subject, targets: Iterable[str]) -> dict[str, Concern]:
    ids = list(targets)
    return {
        str(key): concern for found in (_of_catalog, _of_workspaces) for key, concern in found(viewer, ids)
    }


_Found = Iterator[tuple[uuid.UUID, Concern]]


def _of_catalog(viewer: Subject, ids: Sequence[str]) -> _Found:
    templates = Template.objects.visible_to(viewer).live()
    for template in templates.filter(pk__in=ids).select_related("organization"):
        url = reverse("dashboard:template", args=(template.organization.name, template.name))
        yield template.pk, Concern(template.label, url, "templates")
    versions = TemplateVersion.objects.filter(pk__in=ids, template__in=templates)
    for key, name, *place in versions.values_list(
        "pk", "name", "template__organization__name", "template__name"
    ):
        url = reverse("dashboard:version", args=(*place, name))
        yield key, Concern(f"Version {name}", url, "templates")
    presets = TemplateVersionPreset.objects.filter(pk__in=ids, template_version__template__in=templates)
    template_of = "template_version__template"
    for key, name, *place in presets.values_list(
        "pk", "name", f"{template_of}__organization__name", f"{template_of}__name"
    ):
        yield key, Concern(f"Preset {name}", reverse("dashboard:preset", args=(*place, key)), "prebuilds")


def _of_workspaces(viewer: Subject, ids: Sequence[str]) -> _Found:
    workspaces = Workspace.objects.live().visible_to(viewer)
    for key, *place in workspaces.filter(pk__in=ids).values_list("pk", "owner__username", "name"):
        yield key, Concern("/".join(place), reverse("dashboard:workspace", args=place), "workspaces")
    builds = WorkspaceBuild.objects.filter(pk__in=ids, workspace__in=workspaces)
    for key, number, *place in builds.values_list(
        "pk", "build_number", "workspace__owner__username", "workspace__name"
    ):
        url = reverse("dashboard:build", args=(*place, number))
        yield key, Concern(f"Build {number} of {'/'.join(place)}", url, "workspaces")


def kinds_in_inbox(viewer: Subject) -> list[Kind]:
    """The kinds of which the viewer has messages, by name."""
    ids = inbox(viewer=viewer).order_by().values_list("template_id", flat=True).distinct()
    found = (kinds.find(kind_id) for kind_id in ids)
    return sorted((kind for kind in found if kind is not None), key=lambda kind: kind.name)


def templates_to_choose(viewer: Subject, chosen: Sequence[uuid.UUID] = ()) -> list[tuple[uuid.UUID, str]]:
    """Ids and labels of the templates by which the viewer's inbox can be narrowed, by label: those that
    the newest messages are about, deleted ones last, and those that are `chosen`. Two queries."""
    newest = inbox(viewer=viewer).values_list("targets", flat=True)[:NEWEST]
    told = (uuid.UUID(target) for targets in newest for target in targets)
    ids = list(islice(dict.fromkeys(chain(chosen, told)), MOST_TARGETS))
    rows = Template.objects.visible_to(viewer).select_related("organization").in_bulk(ids)
    found = [rows[key] for key in ids if key in rows][:MOST_TEMPLATES]
    same = Counter((row.label, row.deleted) for row in found)
    labels = [
        (row, f"{row.label}, {row.organization.name}" if same[row.label, row.deleted] > 1 else row.label)
        for row in found
    ]
    labels.sort(key=lambda one: (one[0].deleted, one[1].lower()))
    return [(row.pk, f"{label} (deleted)" if row.deleted else label) for row, label in labels]


@dataclass(frozen=True)
class KindChoice:
    """A kind with what somebody chose for it: `methods` are `(method, its name, wanted)`."""

    kind: Kind
    methods: tuple[tuple[str, str, bool, bool], ...]
    off_by_default: bool


def kind_choices(viewer: Subject, user: User) -> dict[str, list[KindChoice]]:
    """The kinds that the user can get, by group, each with its methods."""
    chosen = preferences.choices(viewer=viewer, user=user)
    overrides = config.method_overrides()
    columns = methods_on_offer()
    found: dict[str, list[KindChoice]] = {}
    for kind in kinds.all_kinds():
        if kind.audience and not set(kind.audience).intersection(user.rbac_roles):
            continue
        ways = config.ways_with(kind, overrides.get(kind.id))
        found.setdefault(kind.group.value, []).append(_choice(kind, ways, chosen.get(kind.id), columns))
    return found


def _choice(kind: Kind, ways: Ways, choice: Choice | None, columns: Sequence[str]) -> KindChoice:
    wanted = (choice or Choice()).methods(ways, enabled_by_default=kind.enabled_by_default)
    methods = tuple(
        (method, METHOD_NAMES[method], method in wanted, method in ways.possible) for method in columns
    )
    return KindChoice(kind, methods, off_by_default=not kind.enabled_by_default)


def methods_on_offer() -> list[str]:
    """The methods of this deployment, the inbox first."""
    ways = config.ways_with(kinds.TEST, None)
    return sorted(map(str, ways.possible), key=lambda method: method != Method.INBOX)


def may_manage(viewer: Subject) -> bool:
    """Whether the viewer may pause notifications, choose their methods and send again what failed."""
    return may(viewer, Action.UPDATE, config.CONFIG)


def messages(viewer: Subject) -> QuerySet[NotificationMessage]:
    """The delivery log, newest first. Raises Forbidden or NotFound."""
    require(viewer, Action.READ, RbacObject(ResourceType.NOTIFICATION_MESSAGE))
    return NotificationMessage.objects.select_related("user").order_by("-created_at", "-id")


def open_counts() -> dict[str, int]:
    """How many messages wait and how many failed for good."""
    return NotificationMessage.objects.aggregate(
        waiting=Count("pk", filter=Q(status__in=UNSETTLED)),
        failed=Count("pk", filter=Q(status=MessageStatus.PERMANENT_FAILURE)),
    )


def matching_messages(
    rows: QuerySet[NotificationMessage], words: Sequence[str]
) -> QuerySet[NotificationMessage]:
    """The messages that a filter text asks for. Raises Invalid."""
    wrong: list[Validation] = []
    for word in words:
        key, colon, value = word.partition(":")
        match key.lower() if colon else "":
            case "":
                rows = rows.filter(user__username__icontains=word)
            case "status" if value in MessageStatus.values:
                rows = rows.filter(status=value)
            case "method" if value in Method.values:
                rows = rows.filter(method=value)
            case "kind":
                ids = [kind.id for kind in kinds.all_kinds() if value.lower() in kind.name.lower()]
                rows = rows.filter(notification_template_id__in=ids)
            case "status" | "method" as name:
                choices = MessageStatus.values if name == "status" else Method.values
                wrong.append(Validation(name, f"{value} is none; there are {', '.join(choices)}."))
            case _:
                wrong.append(Validation(key, "is no key; there are status, method and kind."))
    if wrong:
        raise Invalid("The filter cannot be used.", validations=wrong)
    return rows
