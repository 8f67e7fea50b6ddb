"""A log as the log viewer shows it: the newest lines first of all, further ones by id."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from coder_admin.foundation.errors import Invalid, Validation

TAIL = 1000
"""Lines of a page that was opened without `?lines=all`."""
CHUNK = 2000
"""Lines of one further fetch: few enough for little memory, enough that a fast log is not outrun."""
WHOLE = 20_000
"""Lines of a page that was opened with `?lines=all`; a whole log is 1 MiB at most."""
LARGEST_ID = 2**63 - 1
SAID = frozenset({"warn", "error"})
"""Levels that are said in words, not by colour alone."""


class Line(Protocol):
    """A stored line."""

    id: int
    created_at: datetime
    output: str
    level: str


@dataclass(frozen=True)
class Log:
    """What a log is called and where it comes from."""

    label: str
    url: str
    topic: str
    download: str
    done: bool


@dataclass(frozen=True)
class Excerpt:
    """The lines that a page begins with."""

    log: Log
    lines: list[Any]
    start: int
    after: int
    earlier: str

    @property
    def label(self) -> str:
        return self.log.label

    @property
    def url(self) -> str:
        return self.log.url

    @property
    def topic(self) -> str:
        return self.log.topic

    @property
    def download(self) -> str:
        return self.log.download

    @property
    def done(self) -> bool:
        return self.log.done


def excerpt(request: HttpRequest, rows: QuerySet[Any], log: Log) -> Excerpt:
    """The last lines of `rows` (ordered by id), or with `?lines=all` all of them; two queries."""
    most = WHOLE if request.GET.get("lines") == "all" else TAIL
    lines = list(rows.order_by("-id")[: most + 1])
    more = len(lines) > most
    lines = lines[:most][::-1]
    before = rows.filter(id__lt=lines[0].id).count() if more and lines else 0
    earlier = f"{request.path}?lines=all" if more and most < WHOLE else ""
    return Excerpt(
        log=log, lines=lines, start=before + 1, after=lines[-1].id if lines else 0, earlier=earlier
    )


def further(request: HttpRequest, rows: QuerySet[Any], *, done: bool) -> HttpResponse:
    """List items after `?after=<id>`; headers say whether more wait and whether the log is complete."""
    lines = list(rows.filter(id__gt=line_id(request.GET.get("after", "0")))[: CHUNK + 1])
    response = HttpResponse(draw_lines(lines[:CHUNK]))
    more = len(lines) > CHUNK
    response.headers["X-Log-More"] = "true" if more else "false"
    response.headers["X-Log-Done"] = "true" if done and not more else "false"
    response.headers["Cache-Control"] = "no-store"
    return response


LINE = (
    '<li class="log-line level-{level}" data-id="{id}" data-stage="{stage}">{begins}'
    '<time datetime="{instant}">{clock}</time><span class="text">{told}{output}</span></li>'
)


def draw_lines(lines: Iterable[Line]) -> SafeString:
    """Lines as list items; a stage is named where it begins, and a bad level said for screen readers.

    Not a template: at thousands of lines the engine's time for each decides when the last one is seen.
    """
    drawn: list[SafeString] = []
    before = None
    for line in lines:
        stage = getattr(line, "stage", "")
        begins = format_html('<span class="stage">{}</span>', stage) if stage and stage != before else ""
        said = line.level in SAID
        told = format_html('<span class="visually-hidden">{}: </span>', line.level) if said else ""
        before = stage
        drawn.append(
            format_html(
                LINE,
                level=line.level,
                id=line.id,
                stage=stage,
                begins=begins,
                instant=line.created_at.isoformat(),
                clock=timezone.localtime(line.created_at).strftime("%H:%M:%S"),
                told=told,
                output=line.output,
            )
        )
    return mark_safe("".join(drawn))  # noqa: S308 - every piece is escaped by format_html


def line_id(text: str) -> int:
    """The id of a line. Raises Invalid."""
    if text.isascii() and text.isdigit() and len(text) <= 19 and int(text) <= LARGEST_ID:
        return int(text)
    raise Invalid(
        "Query parameters have invalid values.", validations=[Validation("after", "must be the id of a line")]
    )


def whole(rows: QuerySet[Any], name: str) -> HttpResponse:
    """The whole log as a text file; a log holds 1 MiB at most."""
    pieces: list[str] = []
    stage = ""
    for line in rows.iterator(chunk_size=2000):
        now = getattr(line, "stage", "")
        if now and now != stage:
            stage = now
            pieces.append(f"# {stage}\n")
        pieces.append(f"{line.created_at:%Y-%m-%dT%H:%M:%S.%fZ} {line.level:5} {line.output}\n")
    response = HttpResponse("".join(pieces), content_type="text/plain; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.log"'
    response.headers["Cache-Control"] = "no-store"
    return response
