"""``coder_workspace_tags`` blocks (reference dynamic-parameters 6)."""

from collections.abc import Iterable

from coder_admin.parameters.model import Note, error
from coder_admin.parameters.reading import attribute, place_of, text_of
from coder_admin.terraform import Instance


def read_tags(instances: Iterable[Instance]) -> tuple[dict[str, str], list[str], list[Note]]:
    """Usable tags, names of unusable ones (sorted), top-level errors. A later block wins."""
    tags: dict[str, str] = {}
    unusable: set[str] = set()
    notes: list[Note] = []
    for instance in instances:
        value = attribute(instance.config, "tags")
        if value is None:
            continue
        if not value.is_known:
            unusable.add("unknown")
            continue
        if value.is_null:
            continue
        if not isinstance(value.data, dict):
            detail = f'tags must be an object such as {{ name = "value" }}, got a {value.type}.'
            place = place_of(instance, "tags")
            notes.append(error('Incorrect type for "tags" attribute', detail, range=place))
            continue
        for name, item in value.data.items():
            if item.is_known and item.is_null:
                continue
            text = text_of(item)
            tags.pop(name, None)
            unusable.discard(name)
            if text is None:
                unusable.add(name)
            else:
                tags[name] = text
    return tags, sorted(unusable), notes
