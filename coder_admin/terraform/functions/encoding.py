"""Encodings of text: base64, other character sets, URLs, gzip; and jsonencode, jsondecode."""

from __future__ import annotations

import base64
import binascii
import codecs
import json
import struct
import zlib
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote_plus

from ..numbers import NumberError, parse_number
from ..types import DYNAMIC, NUMBER, STRING
from ..values import (
    FALSE,
    NOT_NULL,
    NULL,
    TRUE,
    Refinement,
    Value,
    normalized,
    object_,
    string,
    tuple_,
    unknown,
)
from .json_text import json_text
from .registry import FunctionContext, FunctionError, Parameter, function

_STR = Parameter("str", STRING)
_MAX_DEPTH = 200


def decode_base64(text: str) -> bytes:
    """Standard base64 with padding; line breaks are skipped, as Go does. ValueError for anything else."""
    compact = text.replace("\n", "").replace("\r", "")
    return base64.b64decode(compact, validate=True)


def decode_utf8(data: bytes, what: str) -> str:
    """FunctionError where the bytes are no UTF-8 text."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise FunctionError(f"{what} is not valid UTF-8") from None


@function("base64encode", _STR, returns=STRING)
def _base64encode(args: Sequence[Value], context: FunctionContext) -> Value:
    return string(base64.b64encode(args[0].data.encode()).decode())


@function("base64decode", _STR, returns=STRING)
def _base64decode(args: Sequence[Value], context: FunctionContext) -> Value:
    try:
        data = decode_base64(args[0].data)
    except (binascii.Error, ValueError):
        raise FunctionError(f'failed to decode base64 data "{_short(args[0].data)}"') from None
    return string(decode_utf8(data, "the result of decoding the provided string"))


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}…"


@function("base64gzip", _STR, returns=STRING)
def _base64gzip(args: Sequence[Value], context: FunctionContext) -> Value:
    """The frame is that of Terraform's writer, which flushes before it closes.

    Deflate is free in how it packs, so that longer texts may differ in bytes; they unpack to the same.
    """
    data = args[0].data.encode()
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    body = deflate.compress(data) + deflate.flush(zlib.Z_SYNC_FLUSH)
    end = b"\x01\x00\x00\xff\xff" + struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)
    packed = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff" + body + end
    return string(base64.b64encode(packed).decode())


_NOT_IANA = {
    "idna",
    "punycode",
    "mbcs",
    "oem",
    "undefined",
    "rot13",
    "palmos",
    "utf-8-sig",
    "utf-7",
    "utf-32",
}


def _codec(name: str, index: int) -> str:
    """Python's codec for an IANA name of a character set."""
    problem = FunctionError(f'"{name}" is not a supported IANA encoding name or alias', index)
    if name.upper() == "UTF-16":
        return "utf-16-be-bom"
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError):
        raise problem from None
    text = getattr(info, "_is_text_encoding", True)
    if not text or info.name in _NOT_IANA or "escape" in info.name or info.name.startswith("utf-32"):
        raise problem
    return info.name


@function("textencodebase64", Parameter("string", STRING), Parameter("encoding", STRING), returns=STRING)
def _textencodebase64(args: Sequence[Value], context: FunctionContext) -> Value:
    codec = _codec(args[1].data, 1)
    text: str = args[0].data
    try:
        if codec == "utf-16-be-bom":
            data = codecs.BOM_UTF16_BE + text.encode("utf-16-be")
        else:
            data = text.encode(codec)
    except UnicodeEncodeError as error:
        char = text[error.start]
        raise FunctionError(
            f'the given string contains the character "{char}", which {args[1].data} cannot represent', 0
        ) from None
    return string(base64.b64encode(data).decode())


@function("textdecodebase64", Parameter("source", STRING), Parameter("encoding", STRING), returns=STRING)
def _textdecodebase64(args: Sequence[Value], context: FunctionContext) -> Value:
    codec = _codec(args[1].data, 1)
    try:
        data = decode_base64(args[0].data)
    except (binascii.Error, ValueError):
        raise FunctionError("the given value has an invalid base64 symbol", 0) from None
    if codec == "utf-16-be-bom":
        little = data.startswith(codecs.BOM_UTF16_LE)
        data = data[2:] if little or data.startswith(codecs.BOM_UTF16_BE) else data
        codec = "utf-16-le" if little else "utf-16-be"
    try:
        return string(data.decode(codec))
    except UnicodeDecodeError:
        message = f"the given string contains symbols that are not defined for {args[1].data}"
        raise FunctionError(message, 0) from None


@function("urlencode", _STR, returns=STRING)
def _urlencode(args: Sequence[Value], context: FunctionContext) -> Value:
    return string(quote_plus(args[0].data, safe="~"))


@function("jsonencode", Parameter("val", DYNAMIC, null=True, unknown=True, dynamic=True), returns=STRING)
def _jsonencode(args: Sequence[Value], context: FunctionContext) -> Value:
    given = args[0]
    if not given.is_wholly_known:
        return unknown(STRING, _beginning(given))
    context.budget.spend(given.size)
    text = json_text(given)
    context.budget.check_size(len(text))
    return string(text)


def _beginning(value: Value) -> Refinement:
    """What is certain of the JSON text: how it begins, by the type of the value."""
    if not value.is_known and not value.refinement.not_null:
        return NOT_NULL
    kind = value.type.kind
    if kind in ("object", "map"):
        return Refinement(not_null=True, prefix="{")
    if kind in ("list", "set", "tuple"):
        return Refinement(not_null=True, prefix="[")
    return Refinement(not_null=True, prefix='"') if kind == "string" else NOT_NULL


class _Number(str):
    """A number's digits on their way from json to a Value."""

    __slots__ = ()


class _Members(list[tuple[str, Any]]):
    """An object's members in order, before their names are compared."""

    __slots__ = ()


_decoder = json.JSONDecoder(parse_int=_Number, parse_float=_Number, strict=True, object_pairs_hook=_Members)


@function("jsondecode", _STR)
def _jsondecode(args: Sequence[Value], context: FunctionContext) -> Value:
    text: str = args[0].data
    start = len(text) - len(text.lstrip(" \t\r\n"))
    try:
        data, end = _decoder.raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise FunctionError(_json_problem(text, error)) from None
    except RecursionError:
        raise FunctionError("the JSON is nested too deeply") from None
    if text[end:].strip(" \t\r\n"):
        raise FunctionError("extraneous data after JSON object")
    return _from_json(data, 0)


def _json_problem(text: str, error: json.JSONDecodeError) -> str:
    if error.pos >= len(text):
        return "the JSON ends before it is complete" if text.strip() else "the JSON text is empty"
    place = f"line {error.lineno}, column {error.colno}"
    return f"invalid JSON at {place}: unexpected character '{text[error.pos]}'"


def _from_json(data: Any, depth: int) -> Value:
    if depth > _MAX_DEPTH:
        raise FunctionError(f"the JSON is nested more than {_MAX_DEPTH} levels deep")
    match data:
        case None:
            return NULL
        case bool():
            return TRUE if data else FALSE
        case _Number():
            return _json_number(data)
        case str():
            # Half of a surrogate pair alone stands for no character; Go's decoder replaces it as well.
            return string(data.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
        case _Members():
            return _json_object(data, depth)
        case list():
            return tuple_([_from_json(item, depth + 1) for item in data])
        case _:  # NaN and Infinity, which Python's reader takes
            raise FunctionError("invalid JSON: numbers are digits only")


def _json_object(members: _Members, depth: int) -> Value:
    """The last of several members of one name counts; all must be of one type."""
    found: dict[str, Value] = {}
    for key, item in members:
        name = normalized(key)
        value = _from_json(item, depth + 1)
        if name in found and found[name].type is not value.type:
            raise FunctionError(f'the JSON holds the property "{name}" twice, with different types')
        found[name] = value
    return object_(found)


def _json_number(digits: str) -> Value:
    try:
        return Value(NUMBER, parse_number(digits))
    except NumberError as error:
        raise FunctionError(f"the number {_short(digits)} cannot be read: {error}") from None
