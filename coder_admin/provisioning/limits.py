"""How much a job may log: 1 MiB, then one line that says so, then nothing (reference: "Logs").

Pure. Also cuts single lines, so that one endless line cannot take the whole allowance of a page.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

MAX_JOB_LOG_BYTES: Final = 1_048_576
MAX_LINE_BYTES: Final = 64 * 1024
CUT_NOTICE: Final = " … (line cut)"
OVERFLOW_NOTICE: Final = (
    "Provisioner logs exceeded the max size of 1MB. The job goes on, but nothing it prints from here is kept."
)


@dataclass(frozen=True)
class Line:
    """One line on its way into a job's log."""

    created_at: datetime
    stage: str
    output: str
    level: str = "info"
    source: str = "provisioner"


@dataclass(frozen=True)
class Admission:
    """What may be stored, and the job's counters after it."""

    lines: tuple[Line, ...]
    length: int
    overflowed: bool


def size(output: str) -> int:
    return len(output.encode("utf-8", "surrogatepass"))


def clean(output: str) -> str:
    """Text that every database takes: no NUL, no lone surrogates, no line longer than 64 KiB."""
    text = output.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    data = text.encode()
    if len(data) <= MAX_LINE_BYTES:
        return text
    kept = data[: MAX_LINE_BYTES - size(CUT_NOTICE)].decode("utf-8", "ignore")
    return kept + CUT_NOTICE


def admit(lines: Iterable[Line], *, length: int, overflowed: bool) -> Admission:
    """The part of ``lines`` that a job with these counters may still store.

    The first line over the limit is replaced by the notice (level warn, same stage); the notice itself does
    not count, so that ``length`` never passes the limit.
    """
    kept: list[Line] = []
    for line in lines:
        if overflowed:
            break
        output = clean(line.output)
        cost = size(output)
        if length + cost > MAX_JOB_LOG_BYTES:
            overflowed = True
            kept.append(replace(line, output=OVERFLOW_NOTICE, level="warn"))
            break
        length += cost
        kept.append(replace(line, output=output))
    return Admission(tuple(kept), length, overflowed)
