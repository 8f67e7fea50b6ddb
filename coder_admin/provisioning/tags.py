"""Tags of jobs and daemons: normalising and matching (reference: provisioner jobs, "Tags").

Pure: no database. ``queue.py`` and ``selectors.py`` ask here, so that what a worker may take and what a
person is told about the queue can never differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SCOPE: Final = "scope"
OWNER: Final = "owner"
SCOPE_USER: Final = "user"
SCOPE_ORGANIZATION: Final = "organization"

UNTAGGED: Final[Mapping[str, str]] = {SCOPE: SCOPE_ORGANIZATION, OWNER: ""}


class TagError(ValueError):
    """Tags that no daemon could ever serve, or text that is not a list of tags."""


def normalise(tags: Mapping[str, str] | None, *, user_id: str = "") -> dict[str, str]:
    """Tags with scope and owner settled.

    Scope ``user`` is owned by ``user_id``; any other or missing scope belongs to the organization and has
    no owner, whatever was written there. Other tags stay as they are.
    """
    settled = dict(tags or {})
    if settled.get(SCOPE) == SCOPE_USER:
        if not user_id:
            raise TagError('tags with the scope "user" need the user they belong to')
        settled[OWNER] = user_id
        return settled
    settled[SCOPE] = SCOPE_ORGANIZATION
    settled[OWNER] = ""
    return settled


def matches(job: Mapping[str, str], daemon: Mapping[str, str]) -> bool:
    """Whether a daemon with these (normalised) tags may take a job with those (normalised) tags.

    An untagged job goes to untagged daemons only, so that a daemon set apart by a tag is never used up by
    ordinary work; a tagged job needs each of its tags on the daemon, which may have more.
    """
    if dict(job) == UNTAGGED:
        return dict(daemon) == UNTAGGED
    return all(daemon.get(name) == value for name, value in job.items())


def parse(text: str) -> dict[str, str]:
    """``"a=b,c=d"`` as a mapping; blanks around names and values do not count."""
    tags: dict[str, str] = {}
    for part in text.split(","):
        if not part.strip():
            continue
        name, equals, value = part.partition("=")
        if not equals or not name.strip():
            raise TagError(
                f'"{part.strip()}" is not a tag: write name=value, several with commas between them'
            )
        tags[name.strip()] = value.strip()
    return tags


def to_text(tags: Mapping[str, str]) -> str:
    """Tags for a person, sorted, without the scope that everything has."""
    shown = {k: v for k, v in tags.items() if UNTAGGED.get(k) != v}
    return ", ".join(f"{name}={value}" for name, value in sorted(shown.items())) or "no tags"
