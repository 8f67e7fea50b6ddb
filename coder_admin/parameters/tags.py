"""``coder_workspace_tags`` blocks (reference dynamic-parameters 6)."""

from collections.abc import Iterable

from coder_admin.parameters.model import Note, error
from coder_admin.parameters.reading import attribute, is_text, place_of, text_of
from coder_admin.terraform import Instance, Value

UNKNOWN = "unknown"
"""What a tag is called whose name cannot be told."""


def read_tags(instances: Iterable[Instance]) -> tuple[dict[str, str], list[str], list[Note]]:
    """Usable tags, names of unusable ones (sorted), top-level errors. A later block wins."""
    tags: dict[str, str] = {}
    unusable: set[str] = set()
    notes: list[Note] = []
    for instance in instances:
        found, problem = _entries(instance)
        if problem is not None:
            notes.append(problem)
        for name, item in found:
            if item.is_known and item.is_null:
                continue
            text = text_of(item) if name else None
            tags.pop(name, None)
            unusable.discard(name)
            if text is None:
                unusable.add(name or UNKNOWN)
            else:
                tags[name] = text
    return tags, sorted(unusable), notes


def _entries(instance: Instance) -> tuple[list[tuple[str, Value]], Note | None]:
    """Name ("" while it is not known) and value of each entry of one block, or what is wrong with them."""
    value, place = attribute(instance.config, "tags"), place_of(instance, "tags")
    if value is None or (value.is_known and value.is_null):
        return [], None
    if isinstance(value.data, dict) and value.marks:
        return [("", value)], None  # the names themselves are sensitive
    if isinstance(value.data, dict):
        return list(value.data.items()), None
    if value.is_known:
        detail = f'tags must be an object such as {{ name = "value" }}, got a {value.type}.'
        return [], error('Incorrect type for "tags" attribute', detail, range=place)
    written = instance.config.entries.get("tags", ())
    keyed = [(key, item) for key, item in written if key is not None]
    if not keyed or len(keyed) < len(written):
        return [("", value)], None
    if wrong := [key for key, _ in keyed if key.is_known and not is_text(key)]:
        what = "null" if wrong[0].is_null else f"a {wrong[0].type}"
        return [], error("Invalid key type for tags", f"A tag's name is a string, got {what}.", range=place)
    return [(text_of(key) or "", item) for key, item in keyed], None
