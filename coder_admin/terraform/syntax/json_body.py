"""`.tf.json`: the JSON form of a body, read into the same tree as the native syntax.

Where a block is meant depends, in Terraform, on the schema of the provider, which nobody has here. At the top
level and in the language's own blocks the rule is known. In a resource's body a property whose value is an
object, or a list of objects, is read both ways: as an argument and as nested blocks.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from coder_admin.terraform.diagnostics import Diagnostic, error
from coder_admin.terraform.syntax import tokens as t
from coder_admin.terraform.syntax import tree
from coder_admin.terraform.syntax.parser import ParsedFile, parse_expression, parse_template
from coder_admin.terraform.syntax.reader import MAX_DEPTH
from coder_admin.terraform.syntax.schema import PLAIN_RESOURCES, TOP_LEVEL
from coder_admin.terraform.syntax.source import SourceText

_TOKEN = re.compile(
    r"""
    [ \t\r\n]*
    (?: ([{}\[\]:,])
      | ("(?:[^"\\\x00-\x1f]++|\\.)*+")
      | (-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)
      | (true|false|null)
    )
    """,
    re.VERBOSE,
)
_NESTED: Final = {
    "variable": ("validation",),
    "output": ("precondition",),
    "check": ("assert", "data"),
    "lifecycle": ("precondition", "postcondition"),
    "module": (),
    "locals": (),
}
# Arguments that name things instead of holding templates, by kind of block: their strings are expressions.
_RESOURCE: Final = ("depends_on", "provider")
_EXPRESSIONS: Final[dict[str, tuple[str, ...]]] = {
    "variable": ("type",),
    "output": ("type", "depends_on"),
    "resource": _RESOURCE,
    "data": _RESOURCE,
    "ephemeral": _RESOURCE,
    "module": ("depends_on",),
    "lifecycle": ("ignore_changes", "replace_triggered_by"),
    "dynamic": ("iterator",),
}


# Properties of a resource's body that are blocks whatever its type.
_BLOCKS: Final = ("lifecycle", "content", "provisioner", "connection")


@dataclass(slots=True)
class _Json:
    """A JSON value with its place. data: str, text of a number, bool, None, list or list of pairs."""

    kind: str
    data: object
    start: int
    end: int


class _JsonError(Exception):
    def __init__(self, detail: str, at: int) -> None:
        super().__init__(detail)
        self.detail = detail
        self.at = at


class _JsonReader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def token(self) -> tuple[str, int, int]:
        match = _TOKEN.match(self.text, self.at)
        if match is None or match.lastindex is None:
            rest = re.compile(r"[ \t\r\n]*").match(self.text, self.at)
            at = rest.end() if rest else self.at
            what = "the end of the file" if at >= len(self.text) else "something that is not JSON"
            raise _JsonError(f"Expected a JSON value or mark, but found {what}.", at)
        start, end = match.span(match.lastindex)
        self.at = end
        return self.text[start:end], start, end

    def value(self, depth: int = 0) -> _Json:
        if depth > MAX_DEPTH:
            raise _JsonError(f"JSON values may be nested {MAX_DEPTH} deep.", self.at)
        text, start, end = self.token()
        if text == "{":
            return self.object(start, depth)
        if text == "[":
            return self.array(start, depth)
        if text[0] == '"':
            return _Json("string", self.string(text, start), start, end)
        if text in ("true", "false"):
            return _Json("bool", text == "true", start, end)
        if text == "null":
            return _Json("null", None, start, end)
        if text in "]}:,":
            raise _JsonError(f'Expected a JSON value, but found "{text}".', start)
        return _Json("number", text, start, end)

    def string(self, text: str, start: int) -> str:
        try:
            decoded = json.loads(text)
        except ValueError:
            raise _JsonError("Invalid escape in a string.", start) from None
        return str(decoded).encode("utf-8", "replace").decode()

    def object(self, start: int, depth: int) -> _Json:
        pairs: list[tuple[_Json, _Json]] = []
        text, at, end = self.token()
        while text != "}":
            if text[0] != '"':
                raise _JsonError("Expected a property name in double quotes.", at)
            name = _Json("string", self.string(text, at), at, end)
            if self.token()[0] != ":":
                raise _JsonError("Expected a colon after the property name.", end)
            pairs.append((name, self.value(depth + 1)))
            text, at, end = self.token()
            if text == ",":
                text, at, end = self.token()
                if text == "}":
                    raise _JsonError("JSON does not permit a comma after the last property.", at)
            elif text != "}":
                raise _JsonError("Expected a comma or closing brace after the property.", at)
        return _Json("object", pairs, start, self.at)

    def array(self, start: int, depth: int) -> _Json:
        items: list[_Json] = []
        before = self.at
        text, at, _ = self.token()
        while text != "]":
            self.at = before
            items.append(self.value(depth + 1))
            text, at, _ = self.token()
            if text == ",":
                before = self.at
                text = ""
            elif text != "]":
                raise _JsonError("Expected a comma or closing bracket after the item.", at)
        return _Json("array", items, start, self.at)


class _BodyMaker:
    """JSON values to bodies and expressions. plain: a string is that string, and no template."""

    def __init__(self, source: SourceText, *, plain: bool = False) -> None:
        self.source = source
        self.plain = plain
        self.diagnostics: list[Diagnostic] = []

    def pairs(self, value: _Json) -> list[tuple[_Json, _Json]]:
        """Properties of an object, or of all objects of a list of objects."""
        if value.kind == "object" and isinstance(value.data, list):
            return value.data
        if value.kind == "array" and isinstance(value.data, list):
            return [pair for item in value.data for pair in self.pairs(item)]
        self.report("Incorrect JSON value type", "A JSON object is required here.", value)
        return []

    def report(self, summary: str, detail: str, value: _Json) -> None:
        where = self.source.range(value.start, value.end)
        self.diagnostics.append(error(summary, detail, where, "syntax"))

    def root(self, value: _Json) -> tree.Body:
        """The whole file: an object, or a list of objects."""
        if value.kind not in ("object", "array"):
            detail = "A configuration in JSON is a JSON object or an array of JSON objects."
            self.report("Root value must be object", detail, value)
            return tree.Body(value.start, value.end)
        return self.top(value)

    def top(self, value: _Json) -> tree.Body:
        body = tree.Body(value.start, value.end)
        for name, content in self.pairs(value):
            key = str(name.data)
            if key == "//":
                continue
            expected = TOP_LEVEL.get(key)
            if expected is None:
                label = tree.BlockNode(key, [], tree.Body(0, 0), name.start, name.end, name.end, content.end)
                body.blocks.append(label)
                continue
            self.blocks(body, key, name, content, len(expected))
        return body

    def blocks(self, body: tree.Body, kind: str, name: _Json, content: _Json, labels: int) -> None:
        """Blocks below a property: `labels` levels of objects whose property names are the labels."""
        found: list[tuple[list[tree.Label], _Json, _Json]] = [([], name, content)]
        for _ in range(labels):
            found = [
                ([*before, tree.Label(str(inner.data), inner.start, inner.end)], inner, value)
                for before, _name, holder in found
                for inner, value in self.pairs(holder)
            ]
        for given, title, value in found:
            items = value.data if value.kind == "array" and isinstance(value.data, list) else [value]
            for item in items:
                if item.kind != "null":
                    plain = kind == "resource" and given[0].text in PLAIN_RESOURCES
                    inner_body = self.body(item, kind, plain=plain)
                    block = tree.BlockNode(
                        kind, given, inner_body, title.start, title.end, title.end, item.end
                    )
                    body.blocks.append(block)

    def body(self, value: _Json, kind: str, *, plain: bool = False) -> tree.Body:
        """plain: a resource whose type has arguments only, and no blocks of its own."""
        body = tree.Body(value.start, value.end)
        for name, content in self.pairs(value):
            key = str(name.data)
            if key == "//":
                continue
            own = _NESTED.get(kind)
            if own is not None and key in own:
                self.blocks(body, key, name, content, 2 if key == "data" else 0)
                continue
            if own is None and key == "dynamic":
                self.blocks(body, key, name, content, 1)
                continue
            if own is None and (key in _BLOCKS or (_like_blocks(content) and not plain)):
                self.blocks(body, key, name, content, 1 if key == "provisioner" else 0)
                if key in _BLOCKS:
                    continue
            as_code = key in _EXPRESSIONS.get(kind, ())
            self.attribute(
                body, key, name, content, as_code=as_code, literal=kind == "variable" and not as_code
            )
        return body

    def attribute(
        self,
        body: tree.Body,
        key: str,
        name: _Json,
        content: _Json,
        *,
        as_code: bool = False,
        literal: bool = False,
    ) -> None:
        """as_code: strings are expressions. literal: they are no templates, as nothing is evaluated there."""
        if key in body.attributes:
            self.report("Attribute redefined", f'The argument "{key}" was already set.', name)
            return
        before, self.plain = self.plain, self.plain or literal
        expr = self.expression(content, as_code)
        self.plain = before
        body.attributes[key] = tree.Attribute(key, name.start, name.end, content.end, expr)

    def expression(self, value: _Json, as_code: bool) -> tree.Node:
        start, end, data = value.start, value.end, value.data
        if value.kind == "string":
            if self.plain:
                return tree.Literal(start, end, str(data))
            return self.text(str(data), start, end, as_code)
        if value.kind == "number":
            text = str(data)
            number = tree.NumberLiteral(start, end, text.removeprefix("-"))
            return tree.Unary(start, end, t.MINUS, number) if text.startswith("-") else number
        if value.kind == "array" and isinstance(data, list):
            return tree.TupleCons(start, end, [self.expression(item, as_code) for item in data])
        if value.kind == "object" and isinstance(data, list):
            self.check_names(data)
            items = [(self.expression(key, False), self.expression(item, as_code)) for key, item in data]
            return tree.ObjectCons(start, end, items)
        return tree.Literal(start, end, data if isinstance(data, bool) else None)

    def check_names(self, pairs: list[tuple[_Json, _Json]]) -> None:
        """An object in an expression has each name once."""
        seen: set[object] = set()
        for key, _ in pairs:
            if key.data in seen:
                detail = f'An attribute named "{key.data}" was already defined in this object.'
                self.report("Duplicate object attribute", detail, key)
            seen.add(key.data)

    def text(self, text: str, start: int, end: int, as_code: bool) -> tree.Node:
        """A string: a template, or code where Terraform takes a name."""
        inner = SourceText(self.source.file, text)
        parsed = parse_expression(inner) if as_code else parse_template(inner)
        if parsed.node is None:
            for problem in parsed.diagnostics:
                where = self.source.range(start, end)
                self.diagnostics.append(error(problem.summary, problem.detail, where, "syntax"))
            return tree.Literal(start, end, None)
        move(parsed.node, start, end)
        return parsed.node


def _like_blocks(value: _Json) -> bool:
    if value.kind == "object":
        return True
    return (
        value.kind == "array"
        and isinstance(value.data, list)
        and bool(value.data)
        and all(item.kind == "object" for item in value.data)
    )


def move(node: Any, start: int, end: int) -> None:
    """Give every node of a tree the place of the string that it was read from."""
    stack: list[Any] = [node]
    while stack:
        item = stack.pop()
        if isinstance(item, list | tuple):
            stack.extend(item)
        elif hasattr(item, "__dataclass_fields__"):
            for name in item.__dataclass_fields__:
                if name == "start":
                    item.start = start
                elif name in ("end", "name_end"):
                    setattr(item, name, end)
                else:
                    stack.append(getattr(item, name))


def parse_json_config(source: SourceText) -> ParsedFile:
    """A `.tf.json` or `.tfvars.json` file. Never raises on bad text: see the diagnostics."""
    reader = _JsonReader(source.text)
    values_only = source.file.endswith(".tfvars.json")
    maker = _BodyMaker(source, plain=values_only)
    try:
        value = reader.value()
        if reader.text[reader.at :].strip(" \t\r\n"):
            raise _JsonError("Extra characters after the JSON value.", reader.at)
    except _JsonError as problem:
        where = source.range(problem.at, problem.at + 1)
        found = error("Invalid JSON syntax", problem.detail, where, "syntax")
        return ParsedFile(source, tree.Body(0, 0), [found])
    if values_only:
        body = tree.Body(value.start, value.end)
        for name, content in maker.pairs(value):
            maker.attribute(body, str(name.data), name, content)
    else:
        body = maker.root(value)
    return ParsedFile(source, body, maker.diagnostics)
