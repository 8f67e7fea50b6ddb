# ruff: noqa: E501 (tables of expressions)
"""Random expressions of the template language: mostly well typed, often enough not."""

from __future__ import annotations

import random

_LEAVES = {
    "s": ['"a"', '"b"', '""', '"x-y"', '"1"', '"true"', '"é"', '"a,b"', '"10"'],
    "n": ["0", "1", "2", "-1", "1.5", "10", "0.1", "3", "100"],
    "b": ["true", "false"],
    "l": ["[]", '["a","b"]', "[1,2]", '[1,"a"]', 'tolist(["x"])', 'toset(["b","a"])', "[true]", "[null]"],
    "m": ["{}", "{a=1}", '{a="x",b=2}', 'tomap({k="v"})', "{a={b=1}}", "{a=null}"],
}
# In a pattern, a letter in angle brackets stands for an expression of that sort: string, number, bool, list,
# map, <c> a list or a map, <a> any of them; <op> and <rel> are operators.
_PATTERNS = {
    "s": [
        '"p-${<a>}"', "upper(<s>)", 'join(",",<l>)', 'format("%s|%v",<s>,<a>)', "(<b> ? <s> : <a>)",
        "jsonencode(<a>)", "substr(<s>,<n>,<n>)", "tostring(<a>)", "<l>[0]", "replace(<s>,<s>,<s>)",
        "coalesce(<a>,<s>)", '"%{ if <b> }y%{ else }${<n>}%{ endif }"', "yamlencode(<a>)", "one(<l>)",
        '"%{ for k,v in <c> }${k}=${v};%{ endfor }"', "try(<a>.a,<s>)", "lookup(<m>,<s>,<a>)",
    ],
    "n": [
        "(<n> <op> <n>)", "(<a> <op> <n>)", "length(<a>)", "-<n>", "max(<n>,<n>)", "floor(<n>)", "tonumber(<a>)",
        "sum(<l>)", "(<b> ? <n> : <n>)", "index(<l>,<a>)", "signum(<n>)", "abs(<n>)",
    ],
    "b": [
        "(<a> == <a>)", "(<a> != <a>)", "(<n> <rel> <n>)", "(<a> <rel> <n>)", "(<b> && <b>)", "(<b> || <b>)", "!<b>",
        "contains(<l>,<a>)", "can(<a>)", "tobool(<a>)", "alltrue(<l>)", "startswith(<s>,<s>)",
    ],
    "l": [
        "[<a>,<a>]", "[for x in <c>: x]", "[for i,x in <c>: [i,x] if x != <a>]", "concat(<l>,<l>)", "tolist(<l>)",
        "flatten([<l>,<a>])", "toset(<l>)", "distinct(<l>)", "reverse(<l>)", "sort(<l>)", "keys(<m>)", "values(<m>)",
        "<a>[*]", "[{a=<a>}][*].a", "(<b> ? <l> : <l>)", "setunion(<l>,<l>)", "setproduct(<l>,<l>)", "compact(<l>)",
        "slice(<l>,<n>,<n>)", "range(<n>)", 'split(",",<s>)', "chunklist(<l>,<n>)", "setsubtract(<l>,<l>)",
        "setintersection(<l>,<l>)", "coalescelist(<l>,<l>)", "matchkeys(<l>,<l>,<l>)", 'formatlist("%v-%s",<l>,<a>)',
    ],
    "m": [
        "{a=<a>,(<s>)=<a>}", '{for k,v in <c>: "${k}" => v}', "{for k,v in <c>: v => k...}", "merge(<m>,<m>)",
        "tomap(<m>)", "zipmap(<l>,<l>)", "(<b> ? <m> : <m>)", "<m>.a", '<m>["b"]', "transpose(<m>)",
        "jsondecode(jsonencode(<a>))", "yamldecode(yamlencode(<a>))",
    ],
}  # fmt: skip
_CHOICES = {"a": "snblm", "c": "lm", "s": "s", "n": "n", "b": "b", "l": "l", "m": "m"}


def random_expression(source: random.Random, depth: int) -> str:
    """An expression that nests about `depth` constructs."""
    return _of(source, source.choice("snblm"), depth)


def _of(source: random.Random, sort: str, depth: int) -> str:
    if depth <= 0:
        return source.choice(_LEAVES[sort])
    done: list[str] = []
    rest = source.choice(_PATTERNS[sort])
    while "<" in rest:
        before, _, rest = rest.partition("<")
        name, _, rest = rest.partition(">")
        done.append(before)
        if name == "op":
            done.append(source.choice("+-*/%"))
        elif name == "rel":
            done.append(source.choice(["<", "<=", ">", ">="]))
        else:
            done.append(_of(source, source.choice(_CHOICES[name]), depth - 1))
    return "".join(done) + rest
