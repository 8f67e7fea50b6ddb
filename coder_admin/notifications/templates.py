"""Templates of messages: Django's, rendered by a short way where that gives the same text.

Nearly every message is literal text, values looked up in dictionaries, `for` and `if` over such values. For
these Django's general engine is most of the price of a delivery. The short way knows exactly this much; a
template that holds anything else, or a payload in which a lookup meets anything but plain JSON, is rendered
by Django's engine: so there is one language, and Django defines it (tests compare the two).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from django.template import Context, Engine, Template, Variable
from django.template.base import FilterExpression, TextNode, VariableNode, render_value_in_context
from django.template.defaulttags import ForNode, IfNode, TemplateLiteral

_ENGINE = Engine(libraries={}, builtins=["django.template.defaultfilters"], autoescape=False)
_BEFORE_MARKUP = re.compile(r"(?=[\\`*_{}\[\]()#+\-.!|<>&~])")
_CONSTANTS = ("True", "False", "None", "forloop")  # names that every context holds, or a loop
_MISSING = object()
_BLANK = Context(autoescape=False)

_Scope = dict[str, Any]
# Appends what a part of a template renders to; the flag says whether values are escaped.
_Part = Callable[[_Scope, list[str], bool], None]


class RenderError(Exception):
    """A kind's template cannot be rendered; sending it again would not help."""


class _OtherwiseError(Exception):
    """The short way does not know this template or value."""


class _Finished(str):
    """A text that is not to be escaped (any more)."""

    __slots__ = ()


def plain(template: str, given: Mapping[str, Any], payload: Mapping[str, Any]) -> str:
    """The text of a template over the helpers `given` and a payload. Raises RenderError."""
    compiled, parts = _compiled(template)
    if parts is not None:
        try:
            return _joined(parts, {**given, **payload}, escaping=False)
        except Exception:  # noqa: S110 - whatever it was, Django renders it or says what is wrong with it
            pass
    return _by_django(compiled, {**given, **payload})


def markdown(template: str, given: Mapping[str, Any], payload: Mapping[str, Any]) -> str:
    """As `plain`, with all markdown punctuation in the payload's texts escaped. Raises RenderError."""
    compiled, parts = _compiled(template)
    if parts is not None:
        try:
            helpers = {
                name: _Finished(value) if isinstance(value, str) else value for name, value in given.items()
            }
            return _joined(parts, {**helpers, **payload}, escaping=True)
        except Exception:  # noqa: S110 - as above
            pass
    # What a text does not name need not be escaped for it.
    escaped = {key: escape(value) for key, value in payload.items() if key in template}
    return _by_django(compiled, {**given, **escaped})


def escape(value: Any) -> Any:
    """Texts within `value` with all markdown punctuation escaped and line ends flattened."""
    match value:
        case str():
            return _escape_text(value)
        case dict():
            return {_escape_key(key): escape(item) for key, item in value.items()}
        case list() | tuple():
            return [escape(item) for item in value]
    return value


def _escape_text(text: str) -> str:
    return "\\".join(_BEFORE_MARKUP.split(" ".join(text.split())))


def _escape_key(key: str) -> str:
    """Names that templates look up by stay as they are; keys that are shown hold punctuation. No other key
    becomes such a name by losing blanks around it."""
    if key.isidentifier():
        return key
    text = _escape_text(key)
    return f" {text}" if text.isidentifier() else text


def _by_django(template: Template, context: dict[str, Any]) -> str:
    try:
        return template.render(Context(context, autoescape=False))
    except Exception as error:  # a template may call anything that its payload holds
        raise RenderError(f"{type(error).__name__}: {error}") from error


@lru_cache(maxsize=256)
def _compiled(template: str) -> tuple[Template, Sequence[_Part] | None]:
    """The template, and the short way through it if there is one. Raises RenderError."""
    try:
        compiled = Template(template, engine=_ENGINE)
    except Exception as error:  # a tag may refuse what it is given in any way
        raise RenderError(f"{type(error).__name__}: {error}") from error
    try:
        return compiled, _parts(compiled.nodelist)
    except _OtherwiseError:
        return compiled, None


def _joined(parts: Sequence[_Part], scope: _Scope, *, escaping: bool) -> str:
    out: list[str] = []
    for part in parts:
        part(scope, out, escaping)
    return "".join(out)


def _parts(nodes: Iterable[Any]) -> list[_Part]:
    return [_part(node) for node in nodes]


def _part(node: Any) -> _Part:
    if type(node) is TextNode:
        return _literal(node.s)
    if type(node) is VariableNode:
        return _shown(_path(node.filter_expression))
    if type(node) is ForNode and not node.is_reversed:
        return _loop(node)
    if type(node) is IfNode:
        return _choice(node)
    raise _OtherwiseError


def _path(expression: object) -> tuple[str, ...]:
    if not isinstance(expression, FilterExpression) or expression.filters:
        raise _OtherwiseError
    variable = expression.var
    if not isinstance(variable, Variable) or variable.translate:
        raise _OtherwiseError
    path = tuple(variable.lookups or ())
    if not path or path[0] in _CONSTANTS or not all(name.isidentifier() for name in path):
        raise _OtherwiseError
    return path


def _literal(text: str) -> _Part:
    return lambda _scope, out, _escaping: out.append(text)


def _shown(path: tuple[str, ...]) -> _Part:
    def part(scope: _Scope, out: list[str], escaping: bool) -> None:
        value = _found(scope, path)
        if type(value) is str:
            out.append(_escape_text(value) if escaping else value)
        elif type(value) is _Finished:
            out.append(value)
        elif value is None or type(value) in (bool, int, float):
            out.append(render_value_in_context(value, _BLANK))
        elif value is not _MISSING:
            raise _OtherwiseError

    return part


def _loop(node: ForNode) -> _Part:
    path, names = _path(node.sequence), tuple(node.loopvars)
    body, otherwise = _parts(node.nodelist_loop), _parts(node.nodelist_empty)

    def part(scope: _Scope, out: list[str], escaping: bool) -> None:
        items = _sequence(scope, path, escaping=escaping)
        inner = dict(scope)
        for item in items:
            if len(names) == 1:
                inner[names[0]] = item
            elif type(item) in (list, tuple) and len(item) == len(names):
                inner.update(zip(names, item, strict=True))
            else:
                raise _OtherwiseError
            for one in body:
                one(inner, out, escaping)
        if not items:
            for one in otherwise:
                one(scope, out, escaping)

    return part


def _choice(node: IfNode) -> _Part:
    branches: list[tuple[tuple[str, ...] | None, list[_Part]]] = []
    for condition, nodes in node.conditions_nodelists:
        if condition is not None and type(condition) is not TemplateLiteral:
            raise _OtherwiseError
        branches.append((None if condition is None else _path(condition.value), _parts(nodes)))

    def part(scope: _Scope, out: list[str], escaping: bool) -> None:
        for path, parts in branches:
            if path is None or _holds(_found(scope, path), escaping=escaping):
                for one in parts:
                    one(scope, out, escaping)
                return

    return part


def _holds(value: Any, *, escaping: bool) -> bool:
    if value is _MISSING:
        return False
    return bool(_escape_text(value) if escaping and type(value) is str else value)


def _found(scope: _Scope, path: Sequence[str]) -> Any:
    """What a path leads to in dictionaries of JSON, or _MISSING."""
    value: Any = scope.get(path[0], _MISSING)
    for name in path[1:]:
        if value is _MISSING:
            return value
        if type(value) is not dict:
            raise _OtherwiseError
        value = value.get(name, _MISSING)
        if value is _MISSING and hasattr(dict, name):  # methods can be looked up as well
            raise _OtherwiseError
    return value


def _sequence(scope: _Scope, path: tuple[str, ...], *, escaping: bool) -> Sequence[Any]:
    """What a loop runs over: a list, or the pairs of a dictionary."""
    if path[-1] == "items" and len(path) > 1:
        of = _found(scope, path[:-1])
        if type(of) is not dict:
            raise _OtherwiseError
        pairs = {_Finished(_escape_key(key)): item for key, item in of.items()} if escaping else of
        if "items" in of:
            raise _OtherwiseError
        return list(pairs.items())
    found = _found(scope, path)
    if found is _MISSING or found is None:
        return ()
    if type(found) is not list:
        raise _OtherwiseError
    return found
