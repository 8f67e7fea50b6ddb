"""Limit and offset paging, bounded, for every list of the API and the pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from django.db.models import Model, QuerySet

from .errors import Invalid, Validation

T = TypeVar("T", bound=Model)
Item = TypeVar("Item")

DEFAULT_LIMIT = 25
MAXIMUM_LIMIT = 100
MAXIMUM_OFFSET = 1_000_000


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """One slice of a list, with the count of the whole."""

    items: list[Item]
    count: int
    limit: int
    offset: int

    @property
    def number(self) -> int:
        """This page's number, from 1."""
        return self.offset // self.limit + 1

    @property
    def pages(self) -> int:
        """How many pages there are, at least 1."""
        return max(1, -(-self.count // self.limit))

    @property
    def next_offset(self) -> int | None:
        """Where the next page begins, or None on the last."""
        following = self.offset + self.limit
        return following if following < self.count else None

    @property
    def previous_offset(self) -> int | None:
        """Where the previous page begins, or None on the first."""
        return max(0, self.offset - self.limit) if self.offset > 0 else None


def bounds(
    query: Mapping[str, str], *, default: int = DEFAULT_LIMIT, maximum: int = MAXIMUM_LIMIT
) -> tuple[int, int]:
    """``(limit, offset)`` from a query string; ``limit=0`` means the default. Raises Invalid."""
    wrong: list[Validation] = []
    values: dict[str, int] = {}
    for name, fallback, top in (("limit", default, None), ("offset", 0, MAXIMUM_OFFSET)):
        text = query.get(name, "") or str(fallback)
        if not (text.isascii() and text.isdigit() and len(text) <= 9) or (
            top is not None and int(text) > top
        ):
            wrong.append(Validation(name, f'Query param "{name}" must be a whole number from 0 on.'))
            continue
        values[name] = int(text)
    if wrong:
        raise Invalid("Query parameters have invalid values.", validations=wrong)
    return min(values["limit"] or default, maximum), values["offset"]


def page_of(
    query: Mapping[str, str], rows: QuerySet[T], *, default: int = DEFAULT_LIMIT, maximum: int = MAXIMUM_LIMIT
) -> Page[T]:
    """The slice of ``rows`` that ``query`` asks for: two queries, whatever the size."""
    limit, offset = bounds(query, default=default, maximum=maximum)
    return Page(items=list(rows[offset : offset + limit]), count=rows.count(), limit=limit, offset=offset)
