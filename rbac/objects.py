"""Finding the row that a person names in a question to the policy: `template:acme/docker`.

A model takes part by `rbac_type`, by `rbac_object()`, and for names by `rbac_name`: the lookup paths whose
values, joined with `/`, are what people call a row.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db.models import Model

from rbac.django import Authorizable
from rbac.model import RbacObject, ResourceType

FORMS = "TYPE, TYPE:ID, TYPE:NAME, TYPE@ORGANIZATION, TYPE@ORGANIZATION/OWNER or TYPE@any"


class UnknownObject(ValueError):
    """The text names nothing; the message says which part and what to write."""


def find_object(text: str) -> RbacObject:
    """The policy's object that `text` names, in one of FORMS. Raises UnknownObject.

    `template` is the type as such (on the site), `template@acme` a new one in that organization,
    `workspace@acme/ada` a new one of that owner, `template@any` "in any organization"; `template:acme/web`
    and `workspace:ada/dev` are rows by name, as is a UUID after the colon.
    """
    name, separator, rest = _parted(text.strip())
    try:
        type_ = ResourceType(name)
    except ValueError:
        known = ", ".join(sorted(ResourceType))
        raise UnknownObject(f'"{name}" is no resource type. Types: {known}.') from None
    if not separator:
        return RbacObject(type_)
    if separator == ":":
        row = find_row(type_, rest)
        if row is None:
            raise UnknownObject(f'There is no {type_.replace("_", " ")} "{rest}". {_example(type_)}')
        return row.rbac_object()
    return _new(type_, rest)


def _parted(text: str) -> tuple[str, str, str]:
    at = min((text.find(mark) for mark in ":@" if mark in text), default=len(text))
    return text[:at], text[at : at + 1], text[at + 1 :]


def _new(type_: ResourceType, where: str) -> RbacObject:
    if where == "any":
        return RbacObject(type_, any_org=True)
    org_text, _, owner_text = where.partition("/")
    organization = find_row(ResourceType.ORGANIZATION, org_text)
    if organization is None:
        raise UnknownObject(f'There is no organization "{org_text}".')
    owner = find_row(ResourceType.USER, owner_text) if owner_text else None
    if owner_text and owner is None:
        raise UnknownObject(f'There is no user "{owner_text}".')
    return RbacObject(
        type_, org=organization.rbac_object().org, owner=owner.rbac_object().id if owner else ""
    )


def find_row(type_: ResourceType, text: str) -> Authorizable | None:
    """The live row of that type with this id or name, or None."""
    for model in models_of(type_):
        found: Any = _by_id(model, text) or _by_name(model, text)
        if found is not None:
            row: Authorizable = found
            return row
    return None


def models_of(type_: ResourceType) -> Iterator[Any]:
    """The models whose rows are objects of that type and can say what the policy may know of them. A dormant
    workspace and a prebuilt one are rows of workspaces."""
    if type_ in (ResourceType.WORKSPACE_DORMANT, ResourceType.PREBUILT_WORKSPACE):
        type_ = ResourceType.WORKSPACE
    for model in apps.get_models():
        if getattr(model, "rbac_type", None) is type_ and hasattr(model, "rbac_object"):
            yield model


def _by_id(model: Any, text: str) -> Model | None:
    if model._meta.pk.get_internal_type() == "UUIDField":
        try:
            uuid.UUID(text)
        except ValueError:
            return None
    elif not text.isdigit():
        return None
    found: Model | None = model._default_manager.filter(pk=text).first()
    return found


def _by_name(model: Any, text: str) -> Model | None:
    paths: tuple[str, ...] = getattr(model, "rbac_name", ())
    values = text.split("/", len(paths) - 1) if paths else []
    if not paths or len(values) != len(paths):
        return None
    where: dict[str, Any] = {f"{path}__iexact": value for path, value in zip(paths, values, strict=True)}
    if any(field.name == "deleted" for field in model._meta.get_fields()):
        where["deleted"] = False
    found: Model | None = model._default_manager.filter(**where).first()
    return found


def _example(type_: ResourceType) -> str:
    for model in models_of(type_):
        paths: tuple[str, ...] = getattr(model, "rbac_name", ())
        if paths:
            parts = [path.rpartition("__")[0] or model._meta.model_name for path in paths]
            return f"Write its id, or {type_}:{'/'.join(part.upper() for part in parts)}."
    return "Write its id."


def names_of(ids: set[str]) -> dict[str, str]:
    """Names of the organizations, groups and users among `ids`, for sentences: three queries."""
    wanted = []
    for text in ids:
        try:
            wanted.append(uuid.UUID(text))
        except ValueError:
            continue
    found: dict[str, str] = {}
    # The Everyone group has its organization's id: the organization's name comes last and wins.
    for type_ in (ResourceType.USER, ResourceType.GROUP, ResourceType.ORGANIZATION):
        for model in models_of(type_):
            found |= {str(row.pk): str(row) for row in model._default_manager.filter(pk__in=wanted)}
    return found
