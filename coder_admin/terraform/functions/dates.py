"""Dates: formatdate, plantimestamp, timeadd, timecmp, timestamp."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone

from ..types import NUMBER, STRING
from ..values import NOT_NULL, Value, number, string, unknown
from .registry import FunctionContext, FunctionError, Parameter, function

_TIMESTAMP = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)([.,]\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_UNITS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_DURATION_PART = re.compile(r"(\d*)(?:\.(\d*))?([^\d.]*)", re.ASCII)
_PART = re.compile(r"''|'(?:[^']|'')+'|([A-Za-z])\1*|[^A-Za-z']+")


def parse_timestamp(text: str, arg_index: int | None) -> datetime:
    """An RFC 3339 timestamp to the second. FunctionError, about that argument, says which part is wrong."""
    found = _TIMESTAMP.fullmatch(text)
    if found is None:
        raise FunctionError(f"not a valid RFC3339 timestamp: {_timestamp_problem(text)}", arg_index)
    year, month, day, hour, minute, second = (int(found[group]) for group in range(1, 7))
    zone = found[8]
    offset = 0
    if zone != "Z":
        hours, minutes = int(zone[1:3]), int(zone[4:6])
        if hours > 23 or minutes > 59:
            raise FunctionError("not a valid RFC3339 timestamp: the offset is out of range", arg_index)
        offset = (hours * 60 + minutes) * (-1 if zone[0] == "-" else 1)
    try:
        tz = timezone(timedelta(minutes=offset)) if offset else UTC
        return datetime(year, month, day, hour, minute, second, tzinfo=tz)
    except ValueError as error:
        reason = str(error).replace("day is out of range for month", "day out of range")
        raise FunctionError(f"not a valid RFC3339 timestamp: {reason}", arg_index) from None


def nanosecond(text: str) -> int:
    """The fraction of the second of a valid timestamp, in nanoseconds."""
    found = _TIMESTAMP.fullmatch(text)
    fraction = found[7] if found else None
    return int(fraction[1:10].ljust(9, "0")) if fraction else 0


_PARTS = (
    (4, "year"), ("-", ""), (2, "month"), ("-", ""), (2, "day"), ("T", "time introducer"),
    (2, "hour"), (":", ""), (2, "minute"), (":", ""), (2, "second"),
)  # fmt: skip


def _timestamp_problem(text: str) -> str:
    at = 0
    for part, name in _PARTS:
        if isinstance(part, int):
            piece = text[at : at + part]
            if len(piece) < part or not (piece.isascii() and piece.isdecimal()):
                return f'cannot use "{text[at:]}" as {name}' if text[at:] else f"the {name} is missing"
            at += part
        elif not text.startswith(part, at):
            return f"missing required {name or 'separator'} '{part}'"
        else:
            at += 1
    return "missing UTC offset" if at >= len(text) else f'cannot use "{text[at:]}" as UTC offset'


def timestamp_text(moment: datetime) -> str:
    """RFC 3339 to the second, `Z` for UTC."""
    offset = moment.utcoffset()
    text = f"{moment.year:04d}-{moment:%m-%dT%H:%M:%S}"
    return text + ("Z" if not offset else _offset_text(moment, ":"))


def _offset_text(moment: datetime, separator: str) -> str:
    minutes = int((moment.utcoffset() or timedelta()).total_seconds()) // 60
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02d}{separator}{abs(minutes) % 60:02d}"


@function("formatdate", Parameter("format", STRING), Parameter("time", STRING), returns=STRING)
def _formatdate(args: Sequence[Value], context: FunctionContext) -> Value:
    moment = parse_timestamp(args[1].data, 1)
    text: str = args[0].data
    done: list[str] = []
    at = 0
    while at < len(text):
        found = _PART.match(text, at)
        if found is None:  # only a quote that is never closed matches nothing
            raise FunctionError("unterminated literal '", 0)
        verb = found[0]
        at = found.end()
        if verb[0] == "'":
            done.append("'" if verb == "''" else verb[1:-1].replace("''", "'"))
        elif found[1] is None:
            done.append(verb)
        else:
            done.append(_date_part(verb, moment))
    return string("".join(done))


def _date_part(verb: str, moment: datetime) -> str:
    hour12 = (moment.hour + 11) % 12 + 1
    utc = not moment.utcoffset()
    parts = {
        "YY": f"{moment.year % 100:02d}",
        "YYYY": f"{moment.year:04d}",
        "M": f"{moment.month}",
        "MM": f"{moment.month:02d}",
        "MMM": _MONTHS[moment.month - 1][:3],
        "MMMM": _MONTHS[moment.month - 1],
        "D": f"{moment.day}",
        "DD": f"{moment.day:02d}",
        "EEE": _DAYS[moment.weekday()][:3],
        "EEEE": _DAYS[moment.weekday()],
        "h": f"{moment.hour}",
        "hh": f"{moment.hour:02d}",
        "H": f"{hour12}",
        "HH": f"{hour12:02d}",
        "AA": "PM" if moment.hour >= 12 else "AM",
        "aa": "pm" if moment.hour >= 12 else "am",
        "m": f"{moment.minute}",
        "mm": f"{moment.minute:02d}",
        "s": f"{moment.second}",
        "ss": f"{moment.second:02d}",
        "Z": "Z" if utc else _offset_text(moment, ":"),
        "ZZZ": "UTC" if utc else _offset_text(moment, ""),
        "ZZZZ": _offset_text(moment, ""),
        "ZZZZZ": _offset_text(moment, ":"),
    }
    if verb not in parts:
        letter = verb[0]
        known = [name for name in parts if name[0] == letter]
        if not known:
            raise FunctionError(f'invalid date format verb "{verb}": put literal text in single quotes', 0)
        raise FunctionError(f'invalid date format verb "{verb}": use one of {", ".join(known)}', 0)
    return parts[verb]


def parse_duration(text: str) -> int:
    """Go's durations (`1h30m`, `-1.5s`, `100ms`) in nanoseconds."""
    rest = text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return 0
    total = 0
    while rest:
        found = _DURATION_PART.match(rest)
        if found is None or not (found[1] or found[2]):
            raise FunctionError(f'time: invalid duration "{text}"')
        unit = found[3]
        if not unit:
            raise FunctionError(f'time: missing unit in duration "{text}"')
        if unit not in _UNITS:
            raise FunctionError(f'time: unknown unit "{unit}" in duration "{text}"')
        fraction = (found[2] or "")[:18]
        total += int(found[1][:20] or 0) * _UNITS[unit]
        if fraction:
            total += int(fraction) * _UNITS[unit] // 10 ** len(fraction)
        if total >= 2**63 and not (total == 2**63 and text[0] == "-"):
            raise FunctionError(f'time: invalid duration "{text}"')
        rest = rest[found.end() :]
    if not text or text in ("-", "+"):
        raise FunctionError(f'time: invalid duration "{text}"')
    return -total if text[0] == "-" else total


@function("timeadd", Parameter("timestamp", STRING), Parameter("duration", STRING), returns=STRING)
def _timeadd(args: Sequence[Value], context: FunctionContext) -> Value:
    moment = parse_timestamp(args[0].data, None)
    nanoseconds = parse_duration(args[1].data) + nanosecond(args[0].data)
    try:
        return string(timestamp_text(moment + timedelta(seconds=nanoseconds // 10**9)))
    except OverflowError:
        raise FunctionError("the result is not a date between the years 1 and 9999") from None


@function("timecmp", Parameter("timestamp_a", STRING), Parameter("timestamp_b", STRING), returns=NUMBER)
def _timecmp(args: Sequence[Value], context: FunctionContext) -> Value:
    a = parse_timestamp(args[0].data, 0), nanosecond(args[0].data)
    b = parse_timestamp(args[1].data, 1), nanosecond(args[1].data)
    return number((a > b) - (a < b))


def _now(args: Sequence[Value], context: FunctionContext) -> Value:
    if context.now is None:
        return unknown(STRING, NOT_NULL)
    return string(timestamp_text(context.now.astimezone(UTC)))


function("timestamp", returns=STRING)(_now)
function("plantimestamp", returns=STRING)(_now)
