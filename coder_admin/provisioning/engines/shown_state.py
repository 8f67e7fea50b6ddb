"""A state as people may see it: what there is, with everything sensitive hidden. Pure; for both engines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from coder_admin.terraform.types import DYNAMIC

from .embedded.types import RESOURCE_TYPES

HIDDEN: Final = "(sensitive value)"
MOST: Final = 500  # resources shown
SHORTEST: Final = 4  # characters of a secret that is also looked for elsewhere
LONGEST: Final = 400  # characters of one value
#: A raw state of Terraform names the values that were marked, not those that a provider's schema hides.
SECRET: Final = re.compile(r"token|password|secret|private_key|credential|api_key|access_key", re.I)


@dataclass(frozen=True)
class ShownAttribute:
    name: str
    value: str
    hidden: bool


@dataclass(frozen=True)
class ShownResource:
    address: str
    type: str
    attributes: tuple[ShownAttribute, ...]


def shown_state(state: bytes | None) -> tuple[ShownResource, ...]:
    """The managed resources of the state by address; () for one that is empty or cannot be read."""
    try:
        document = json.loads(state or b"{}")
    except (ValueError, RecursionError):
        return ()
    resources = document.get("resources") if isinstance(document, dict) else None
    if not isinstance(resources, list):
        return ()
    rows = [row for row in resources if isinstance(row, dict)]
    secrets: set[str] = set()
    found = _embedded(rows, secrets) if "format" in document else _terraform(rows, secrets)
    shown = sorted(found, key=lambda r: r.address)[:MOST]
    # A provider may repeat in one attribute what is sensitive in another (``terraform_data.output``).
    longest_first = sorted(secrets, key=len, reverse=True)
    return tuple(_without(resource, longest_first) for resource in shown)


def _without(resource: ShownResource, secrets: list[str]) -> ShownResource:
    def clean(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, HIDDEN)
        return text

    attributes = tuple(replace(a, value=a.value if a.hidden else clean(a.value)) for a in resource.attributes)
    return replace(resource, attributes=attributes)


def _embedded(rows: Iterable[Mapping[str, Any]], secrets: set[str]) -> Iterable[ShownResource]:
    for row in rows:
        attributes = row.get("attributes")
        if isinstance(attributes, Mapping):
            hidden = [list(path) for path in row.get("sensitive") or ()]
            kind = str(row.get("type"))
            yield _resource(str(row.get("address")), kind, _plain(kind, attributes), hidden, secrets)


def _plain(kind: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Values of open type without the type that the state writes beside them."""
    known = RESOURCE_TYPES.get(kind)
    types = known.schema.type.attributes if known is not None else {}
    return {
        name: value["value"] if types.get(name) is DYNAMIC and isinstance(value, Mapping) else value
        for name, value in attributes.items()
    }


def _terraform(rows: Iterable[Mapping[str, Any]], secrets: set[str]) -> Iterable[ShownResource]:
    for row in rows:
        if row.get("mode") != "managed":
            continue
        module = f"{row['module']}." if row.get("module") else ""
        for instance in row.get("instances") or ():
            key = instance.get("index_key")
            suffix = "" if key is None else f"[{json.dumps(key)}]"
            address = f"{module}{row.get('type')}.{row.get('name')}{suffix}"
            hidden = [
                [step.get("value") for step in path] for path in instance.get("sensitive_attributes") or ()
            ]
            yield _resource(address, str(row.get("type")), instance.get("attributes") or {}, hidden, secrets)


def _resource(
    address: str, kind: str, attributes: Mapping[str, Any], hidden: list[list[Any]], secrets: set[str]
) -> ShownResource:
    shown = []
    for name, value in sorted(attributes.items()):
        if value is None or value in ("", [], {}):
            continue
        whole = [name] in hidden or SECRET.search(name) is not None
        masked = _masked(value, [[]] if whole else [p[1:] for p in hidden if p[:1] == [name]], secrets)
        shown.append(ShownAttribute(name, _text(masked), whole))
    return ShownResource(address, kind, tuple(shown))


def _masked(value: Any, paths: list[list[Any]], secrets: set[str]) -> Any:
    """The value with what lies at the paths, and what is called like a secret, hidden and noted."""
    if any(not path for path in paths):
        secrets |= set(_texts(value))
        return HIDDEN
    if isinstance(value, Mapping):
        return {
            name: _masked(
                part,
                [[]] if SECRET.search(str(name)) else [p[1:] for p in paths if str(p[0]) == str(name)],
                secrets,
            )
            for name, part in value.items()
        }
    if isinstance(value, list):
        return [_masked(part, [p[1:] for p in paths if p[0] == n], secrets) for n, part in enumerate(value)]
    return value


def _texts(value: Any) -> Iterable[str]:
    """The texts in a value that are long enough to be told apart from chance."""
    if isinstance(value, str):
        if len(value) >= SHORTEST:
            yield value
    elif isinstance(value, Mapping | list):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(part)


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
