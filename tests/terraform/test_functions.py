"""Functions: the calling convention, budgets, files, and what differs from run to run.

What each function computes is compared with Terraform itself in test_terraform_agrees.py and in the case
sets.
"""

from __future__ import annotations

import base64
import gzip
import itertools
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import bcrypt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coder_admin.terraform import MemoryFileSystem
from coder_admin.terraform import types as t
from coder_admin.terraform.convert import convert
from coder_admin.terraform.functions import FUNCTIONS, FunctionContext, FunctionError, call_function
from coder_admin.terraform.functions.registry import MAX_SIZE
from coder_admin.terraform.values import (
    EPHEMERAL,
    NULL,
    SENSITIVE,
    Refinement,
    Value,
    from_python,
    null,
    number,
    set_of,
    string,
    to_python,
    tuple_,
    unknown,
)
from tests.terraform.profile import EXAMPLES
from tests.terraform.strategies import typed_values

FILES = MemoryFileSystem(
    {
        "hello.txt": "Hello\n",
        "binary": b"\xff\xfe",
        "sub/a.txt": "a",
        "sub/deep/b.md": "b",
        "module/inner.txt": "inner",
    }
)

YAML_BOMB = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]\n"
    for before, name in itertools.pairwise("abcdefghij")
)


def run(name: str, *args: Any, **context: Any) -> Value:
    """Call a function of the language with plain data or values."""
    return call_function(name, [from_python(arg) for arg in args], FunctionContext(files=FILES, **context))


def result(name: str, *args: Any, **context: Any) -> Any:
    return to_python(run(name, *args, **context), unknown_as="?")


def refused(name: str, *args: Any, **context: Any) -> FunctionError:
    with pytest.raises(FunctionError) as caught:
        run(name, *args, **context)
    return caught.value


def test_every_function_of_terraform_1_9_is_there() -> None:
    wanted = (
        "abs abspath alltrue anytrue base64decode base64encode base64gzip base64sha256 base64sha512 "
        "basename bcrypt ceil chomp chunklist cidrhost cidrnetmask cidrsubnet cidrsubnets coalesce "
        "coalescelist compact concat contains csvdecode dirname distinct element endswith "
        "ephemeralasnull file filebase64 filebase64sha256 filebase64sha512 fileexists filemd5 fileset "
        "filesha1 filesha256 filesha512 flatten floor format formatdate formatlist indent index "
        "issensitive join jsondecode jsonencode keys length list log lookup lower map matchkeys max "
        "md5 merge min nonsensitive one parseint pathexpand plantimestamp pow range regex regexall "
        "replace reverse rsadecrypt sensitive setintersection setproduct setsubtract setunion sha1 "
        "sha256 sha512 signum slice sort split startswith strcontains strrev substr sum templatefile "
        "templatestring textdecodebase64 textencodebase64 timeadd timecmp timestamp title tobool "
        "tolist tomap tonumber toset tostring transpose trim trimprefix trimspace trimsuffix upper "
        "urlencode uuid uuidv5 values yamldecode yamlencode zipmap "
    )
    assert " ".join(sorted(FUNCTIONS)) == wanted.strip()  # try and can belong to the evaluator
    assert all(function.name == name for name, function in FUNCTIONS.items())


class TestCalls:
    @pytest.mark.parametrize(
        ("args", "summary", "detail"),
        [
            (
                (),
                "Not enough function arguments",
                'Function "upper" expects 1 argument(s). Missing value for "str".',
            ),
            (("a", 1), "Too many function arguments", 'Function "upper" expects only 1 argument(s).'),
            (
                (None,),
                "Invalid function argument",
                'Invalid value for "str" parameter: argument must not be null.',
            ),
            (
                ([],),
                "Invalid function argument",
                'Invalid value for "str" parameter: string required, but have tuple.',
            ),
        ],
    )
    def test_a_refusal_says_which_argument_and_why(self, args: Any, summary: str, detail: str) -> None:
        error = refused("upper", *args)
        assert (error.summary, error.detail) == (summary, detail)

    def test_a_refusal_of_a_further_argument_names_the_variadic_parameter(self) -> None:
        error = refused("max", 1, 2, "x")
        assert error.arg_index == 2
        assert error.detail == 'Invalid value for "numbers" parameter: a number is required.'

    def test_a_failure_of_the_call_as_a_whole_names_the_function(self) -> None:
        error = refused("regex", "a", "b")
        assert (error.arg_index, error.summary) == (None, "Error in function call")
        assert error.detail.startswith('Call to function "regex" failed: ')

    def test_the_core_namespace_holds_the_same_functions(self) -> None:
        assert result("core::upper", "a") == "A"
        assert refused("core::upper").detail.startswith('Function "upper" expects')

    def test_an_unknown_argument_makes_an_unknown_result_of_the_right_type(self) -> None:
        found = run("split", ",", unknown(t.STRING))
        assert not found.is_known
        assert found.type is t.list_type(t.STRING)
        assert found.refinement.not_null

    def test_an_argument_of_unknown_type_leaves_the_type_open(self) -> None:
        assert run("keys", unknown()).type is t.DYNAMIC
        assert run("upper", unknown()).type is t.STRING  # converted before the call

    def test_a_wrong_argument_is_refused_beside_an_unknown_one(self) -> None:
        assert refused("substr", unknown(t.STRING), "x", 1).arg_index == 1

    def test_marks_of_arguments_are_on_the_result(self) -> None:
        found = run("join", ",", tuple_([string("a").with_marks(SENSITIVE), string("b")]))
        assert (found.data, found.marks) == ("a,b", SENSITIVE)
        assert run("upper", unknown(t.STRING).with_marks(EPHEMERAL)).marks == EPHEMERAL

    def test_functions_that_only_arrange_values_leave_marks_where_they_are(self) -> None:
        secret = string("s").with_marks(SENSITIVE)
        for found in (
            run("merge", {"a": secret}, {"b": 1}),
            run("concat", [secret], ["x"]),
            run("zipmap", ["k"], [secret]),
            run("reverse", [secret, "x"]),
        ):
            assert not found.marks
            assert found.deep_marks == SENSITIVE

    @settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
    @given(st.sampled_from(sorted(set(FUNCTIONS) - {"bcrypt"})), st.lists(typed_values(), max_size=3))
    def test_no_arguments_make_a_function_fail_but_by_refusal(self, name: str, args: list[Value]) -> None:
        context = FunctionContext(files=FILES, render_template=lambda text, filename, variables: string(text))
        try:
            found = call_function(name, args, context)
        except FunctionError as error:
            if not (error.summary and error.detail):
                raise
            return
        again = call_function(name, args, context)
        assert found == again
        assert found.is_wholly_known or name in {"uuid", "timestamp", "plantimestamp"}

    @settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
    @given(st.sampled_from(sorted(set(FUNCTIONS) - {"bcrypt"})), st.lists(typed_values(), max_size=3))
    def test_what_is_said_of_unknown_arguments_holds_later(self, name: str, args: list[Value]) -> None:
        context = FunctionContext(files=FILES, render_template=lambda text, filename, variables: string(text))
        try:
            known = call_function(name, args, context)
        except FunctionError:
            return
        for index, arg in enumerate(args):
            doubtful = [*args[:index], unknown(arg.type), *args[index + 1 :]]
            found = call_function(name, doubtful, context)
            if found.type is not t.DYNAMIC and not known.is_null:
                assert convert(known, found.type).type is found.type
            if not found.is_known and found.refinement.not_null:
                assert not known.is_null


class TestUnknownValues:
    def test_a_partly_known_text_has_a_known_beginning(self) -> None:
        found = run("format", "name-%s-x", unknown(t.STRING))
        assert found.refinement == Refinement(not_null=True, prefix="name-")
        assert run("startswith", found, "name").data is True
        assert run("startswith", found, "other").data is False
        assert not run("startswith", found, "name-x").is_known

    def test_the_length_of_an_unknown_value_has_known_bounds(self) -> None:
        text = unknown(t.STRING, Refinement(prefix="né-"))
        assert run("length", text).refinement.lower == 3
        names = unknown(t.list_type(t.STRING), Refinement(min_length=2, max_length=5))
        found = run("length", names).refinement
        assert (found.lower, found.upper) == (2, 5)

    def test_the_length_of_a_set_with_unknown_elements_is_open(self) -> None:
        found = run("length", set_of([unknown(t.STRING), string("a"), string("b")])).refinement
        assert (found.lower, found.upper) == (2, 3)
        assert run("length", set_of([unknown(t.STRING)])).data == 1

    def test_what_is_known_in_a_list_decides_where_it_can(self) -> None:
        doubtful = unknown(t.BOOL)
        assert result("alltrue", [False, doubtful]) is False
        assert result("anytrue", [True, doubtful]) is True
        assert result("contains", [unknown(t.STRING), "b"], "b") is True
        assert not run("contains", [unknown(t.STRING), "b"], "z").is_known

    def test_json_of_an_unknown_object_begins_as_objects_do(self) -> None:
        assert run("jsonencode", {"a": unknown(t.STRING)}).refinement.prefix == "{"
        assert not run("jsonencode", unknown(t.list_type(t.STRING))).refinement.prefix  # may be null


class TestBudgets:
    @pytest.mark.parametrize(
        ("name", "args"),
        [
            ("range", (10**9,)),
            ("range", (0, 1, 1e-9)),
            ("indent", (10**6, "\n" * 100)),
            ("replace", ("a" * 10**5, "a", "b" * 1000)),
            ("replace", ("a" * 10**5, "/a/", "b" * 1000)),
            ("join", ("x" * 10**5, ["a"] * 1000)),
            ("format", ("%1000001s", "a")),
            ("format", ("%1000000s" * 10, *["a"] * 10)),
            ("formatlist", ("%100000s", ["a"] * 1000)),
            ("setproduct", ([0] * 300, [0] * 300, [0] * 300)),
            ("yamldecode", (YAML_BOMB,)),
            ("yamldecode", ("[" * 1000,)),
            ("jsondecode", ("[" * 100_000,)),
            ("jsondecode", ("[" * 500 + "]" * 500,)),
            ("jsondecode", ("1e999999999",)),
            ("parseint", ("9" * 10**6, 10)),
            ("tonumber", ("1e999999999",)),
            ("pow", (-8, 0.5)),
            ("bcrypt", ("a", 31)),
            ("regex", ("(a{1000}){1000}", "a")),
            ("cidrsubnet", ("10.0.0.0/8", 10**9, 0)),
            ("timeadd", ("2020-01-01T00:00:00Z", "9" * 1000 + "h")),
        ],
    )  # fmt: skip
    def test_nothing_small_makes_something_huge(self, name: str, args: tuple[Any, ...]) -> None:
        assert refused(name, *args).detail

    def test_values_of_shared_parts_are_not_walked_through(self) -> None:
        bomb = from_python(["x"] * 10)
        for _ in range(60):
            bomb = tuple_([bomb] * 10)
        for name in ("jsonencode", "yamlencode", "flatten", "distinct", "toset", "length", "merge"):
            assert "parts" in refused(name, bomb).message

    def test_deep_nesting_is_refused(self) -> None:
        deep = string("x")
        for _ in range(400):
            deep = tuple_([deep])
        assert "deep" in refused("jsonencode", deep).message

    def test_patterns_that_backtrack_elsewhere_take_no_time(self) -> None:
        assert refused("regex", "(a+)+$", "a" * 50_000 + "b").message.startswith("pattern did not match")

    def test_the_callers_budget_is_asked(self) -> None:
        class Spent(Exception):
            pass

        class Budget:
            def spend(self, steps: int) -> None:
                raise Spent

            def check_size(self, size: int) -> None:
                raise Spent

        for name, args in (("jsonencode", ([1],)), ("join", (",", ["a"])), ("fileset", (".", "*"))):
            with pytest.raises(Spent):
                run(name, *args, budget=Budget())
        assert MAX_SIZE > 1024


class TestFiles:
    def test_files_of_the_module_are_read(self) -> None:
        assert result("file", "hello.txt") == "Hello\n"
        assert result("file", "./sub/../hello.txt") == "Hello\n"
        assert result("filebase64", "binary") == base64.b64encode(b"\xff\xfe").decode()
        assert result("filesha256", "hello.txt") == result("sha256", "Hello\n")
        assert result("filebase64sha512", "hello.txt") == result("base64sha512", "Hello\n")
        assert result("fileexists", "hello.txt") is True
        assert result("fileexists", "nosuch") is False

    def test_paths_are_relative_to_the_modules_directory(self) -> None:
        assert result("file", "inner.txt", directory="module") == "inner"
        assert result("file", "../hello.txt", directory="module") == "Hello\n"

    @pytest.mark.parametrize(
        "path", ["/etc/passwd", "../../etc/passwd", "sub/../../x", "~/.ssh/id_rsa", "a\0b", "nosuch", "sub"]
    )
    def test_nothing_outside_the_module_can_be_read(self, path: str) -> None:
        assert refused("file", path).arg_index == 0
        assert refused("filemd5", path).arg_index is None
        if path != "sub":
            assert result("fileexists", path) is False
        assert result("fileset", path, "**") in ([], ["a.txt", "deep/b.md"])

    def test_a_file_that_is_no_text_is_refused_as_text(self) -> None:
        assert "not valid UTF-8" in refused("file", "binary").message

    @pytest.mark.parametrize(
        ("base", "pattern", "found"),
        [
            (".", "*", ["binary", "hello.txt"]),
            (".", "**", ["binary", "hello.txt", "module/inner.txt", "sub/a.txt", "sub/deep/b.md"]),
            (".", "**/*.{txt,md}", ["hello.txt", "module/inner.txt", "sub/a.txt", "sub/deep/b.md"]),
            ("sub", "**/*.md", ["deep/b.md"]),
            ("sub", "?.txt", ["a.txt"]),
            ("sub", "[a-c].txt", ["a.txt"]),
            ("sub", "[^a].txt", []),
            ("nosuch", "*", []),
        ],
    )
    def test_sets_of_files(self, base: str, pattern: str, found: list[str]) -> None:
        assert result("fileset", base, pattern) == found

    @pytest.mark.parametrize("pattern", ["[", "{a", "a\\", "[]", "x" * 5000])
    def test_a_wrong_pattern_is_refused(self, pattern: str) -> None:
        assert refused("fileset", ".", pattern)

    def test_home_and_working_directory_are_given(self) -> None:
        assert result("pathexpand", "~/x", home="/home/dev") == "/home/dev/x"
        assert result("abspath", "a/../b", cwd="/srv") == "/srv/b"

    def test_templates_are_rendered_by_the_caller(self) -> None:
        seen: list[tuple[str, str, Mapping[str, Value]]] = []

        def render(text: str, filename: str, variables: Mapping[str, Value]) -> Value:
            seen.append((text, filename, variables))
            return number(5)

        assert result("templatefile", "hello.txt", {"n": 1}, render_template=render) == 5
        assert result("templatestring", "x", {"n": 1}, render_template=render) == "5"
        assert [(text, filename) for text, filename, _ in seen] == [
            ("Hello\n", "hello.txt"),
            ("x", "<templatestring argument>"),
        ]
        assert refused("templatefile", "hello.txt", ["n"], render_template=render).arg_index == 1
        assert refused("templatefile", "hello.txt", {"bad name": 1}, render_template=render).arg_index == 1

    def test_a_template_cannot_render_a_template(self) -> None:
        context = FunctionContext(files=FILES)
        again = [string("hello.txt"), from_python({})]
        context.render_template = lambda text, filename, variables: call_function(
            "templatefile", again, context
        )
        with pytest.raises(FunctionError, match="recursively"):
            call_function("templatefile", again, context)
        assert not context.rendering


class TestMoments:
    NOW = datetime(2024, 2, 29, 12, 30, 15, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("name", "args"), [("timestamp", ()), ("plantimestamp", ()), ("uuid", ()), ("bcrypt", ("a", 4))]
    )
    def test_what_differs_from_run_to_run_is_unknown_in_a_preview(
        self, name: str, args: tuple[Any, ...]
    ) -> None:
        found = run(name, *args)
        assert not found.is_known
        assert found.type is t.STRING
        assert found.refinement.not_null

    def test_a_build_has_real_ones(self) -> None:
        assert result("timestamp", now=self.NOW) == "2024-02-29T12:30:15Z"
        assert result("plantimestamp", now=self.NOW) == "2024-02-29T12:30:15Z"
        assert uuid.UUID(result("uuid", now=self.NOW)).version == 4
        hashed = result("bcrypt", "secret", 4, now=self.NOW)
        assert bcrypt.checkpw(b"secret", hashed.encode())
        assert "72 bytes" in refused("bcrypt", "x" * 73, now=self.NOW).message


class TestCrypto:
    def test_a_text_encrypted_for_the_key_is_decrypted(self) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        ).decode()
        ciphertext = base64.b64encode(
            key.public_key().encrypt("geheim é".encode(), padding.PKCS1v15())
        ).decode()
        assert result("rsadecrypt", ciphertext, pem) == "geheim é"
        assert refused("rsadecrypt", "!", pem).arg_index == 0
        assert refused("rsadecrypt", ciphertext, "no key").arg_index == 1

    @pytest.mark.parametrize("text", ["9" * 500_000, "1e999999999", "0x" + "f" * 500_000])
    def test_numbers_beyond_all_bounds_are_refused(self, text: str) -> None:
        assert refused("yamldecode", text).summary == "Error in function call"
        assert refused("tonumber", text).detail

    def test_name_based_uuids(self) -> None:
        assert result("uuidv5", "dns", "www.example.com") == str(
            uuid.uuid5(uuid.NAMESPACE_DNS, "www.example.com")
        )
        assert result("uuidv5", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "a") == result("uuidv5", "dns", "a")
        assert refused("uuidv5", "nope", "a").arg_index is None

    def test_packed_text_unpacks(self) -> None:
        packed = base64.b64decode(result("base64gzip", "hello"))
        assert gzip.decompress(packed) == b"hello"
        assert result("base64gzip", "hello") == result("base64gzip", "hello")


class TestMarks:
    def test_ephemeral_parts_become_null(self) -> None:
        value = from_python(
            {"a": string("x").with_marks(EPHEMERAL), "b": [string("y").with_marks(SENSITIVE)]}
        )
        found = run("ephemeralasnull", value)
        assert found.data["a"] == null(t.STRING)
        assert found.data["b"].data[0].is_sensitive
        assert run("ephemeralasnull", string("x").with_marks(EPHEMERAL)) == null(t.STRING)

    def test_a_secret_is_not_in_a_message(self) -> None:
        error = refused("tonumber", string("hunter2").with_marks(SENSITIVE))
        assert "hunter2" not in error.detail

    def test_sensitivity_of_an_unknown_value_is_open(self) -> None:
        assert not run("issensitive", unknown(t.STRING)).is_known
        assert run("issensitive", unknown(t.STRING).with_marks(SENSITIVE)).data is True
        assert run("nonsensitive", NULL.with_marks(SENSITIVE)).marks == 0
