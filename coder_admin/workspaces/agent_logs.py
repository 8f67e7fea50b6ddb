"""How much of an agent's log is kept: 1 MiB, no line twice (agents reference 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

LOG_LIMIT = 1_048_576  # bytes per agent
LONGEST_LINE = 64 * 1024
CUT_NOTE = " … (line cut)"
FULL_NOTE = "The log of this agent reached 1 MiB. Later lines are dropped; its scripts go on."


@dataclass(frozen=True, slots=True)
class LogLine:
    created_at: datetime
    level: str
    output: str


@dataclass(frozen=True, slots=True)
class Position:
    """How far the log of one source is stored: lines of the agent's run `run_id` before `next_sequence`."""

    run_id: str
    next_sequence: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """What to store of a batch, and the source's position after it."""

    lines: tuple[LogLine, ...]
    position: Position
    overflowed: bool
    added_bytes: int


def accept(
    lines: Sequence[LogLine], *, run_id: str, sequence: int, stored: Position, logs_length: int
) -> Accepted:
    """Take a batch that begins at `sequence`: leave out what is stored already, keep within the limit.

    A batch that does not fit is kept as far as it fits, and a last line says that the log is full. Without
    a `run_id` (a foreign client) every batch is new.
    """
    known = stored.next_sequence if run_id and run_id == stored.run_id else 0
    fresh = lines[max(0, known - sequence) :] if run_id else lines
    kept: list[LogLine] = []
    added = 0
    for line in fresh:
        clean = _clean(line)
        size = len(clean.output.encode()) + 1  # its line end, so that empty lines are not free
        if logs_length + added + size > LOG_LIMIT:
            break
        kept.append(clean)
        added += size
    position = Position(run_id, max(known, sequence + len(lines)))
    overflowed = len(kept) < len(fresh)
    if overflowed:
        kept.append(LogLine(fresh[len(kept)].created_at, "warn", FULL_NOTE))
    return Accepted(tuple(kept), position, overflowed=overflowed, added_bytes=added)


def _clean(line: LogLine) -> LogLine:
    output = line.output.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if len(output) > LONGEST_LINE:
        output = output[:LONGEST_LINE] + CUT_NOTE
    return LogLine(line.created_at, line.level, output)
