"""Finds sends that do not go through ``foundation.events``: by the syntax tree, not by the text.

A name is found however it is reached: as an attribute, imported, renamed on import, by ``getattr``, or as a
keyword's value. What no reading can find (a send through a function of another module) the guard in
``events.require_committed`` finds when it runs.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

SENDS = frozenset(
    {
        *("group_send", "apply_async", "delay", "send_task", "send_events", "signature", "publish_task"),
        *("_send_to_layer", "_send_in_tests", "basic_publish", "nudge", "wake_local", "drain_queue"),
    }
)
OWN = frozenset({"send", "_send", "_send_all"})  # too common names: only on what carries messages out
CARRIERS = frozenset({"layer", "channel_layer", "producer", "events"})


def direct_sends(source: str) -> Iterator[tuple[int, str]]:
    """``(line, name)`` of everything in the module that reaches for a way out."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(attr=name) if name in SENDS:
                yield node.lineno, name
            case ast.Attribute(attr=name, value=value) if name in OWN and _names_a_carrier(value):
                yield node.lineno, name
            case ast.ImportFrom(names=names):
                yield from ((node.lineno, alias.name) for alias in names if alias.name in SENDS)
            case ast.Call(func=ast.Name(id="getattr" | "attrgetter" | "methodcaller"), args=args):
                texts = [a.value for a in args if isinstance(a, ast.Constant)]
                yield from ((node.lineno, str(t)) for t in texts if t in SENDS)


def _names_a_carrier(value: ast.expr) -> bool:
    match value:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in CARRIERS
        case ast.Call(func=ast.Name(id="get_channel_layer")):
            return True
        case _:
            return False
