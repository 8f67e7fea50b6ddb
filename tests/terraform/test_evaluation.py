"""Modules evaluated: instances, providers, dynamic blocks, variables, modules, conditions."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from coder_admin.terraform import (
    Budget,
    DiagnosticError,
    EvalContext,
    Evaluation,
    Instance,
    MemoryFileSystem,
    Provider,
    Value,
    evaluate,
    from_python,
    load_module,
    number,
    object_,
    string,
    to_python,
    unknown,
)
from coder_admin.terraform.cache import BoundedCache
from coder_admin.terraform.types import STRING


class Recorder:
    """A provider that answers from a table by type and keeps the order of the questions."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def data(self, instance: Instance) -> Value | None:
        return self.resource(instance)

    def resource(self, instance: Instance) -> Value | None:
        self.asked.append(instance.address)
        answer = self.answers.get(instance.type)
        if answer is None:
            return None
        return object_({**from_python(answer).data, **instance.config.attributes})


def run(
    files: str | Mapping[str, str],
    *,
    provider: Provider | None = None,
    context: EvalContext | None = None,
    targets: list[str] | None = None,
    **variables: Value | str,
) -> Evaluation:
    given = {"main.tf": files} if isinstance(files, str) else dict(files)
    module = load_module(MemoryFileSystem(given))
    return evaluate(module, variables=variables, provider=provider, context=context, targets=targets)


def errors(evaluation: Evaluation) -> list[str]:
    return [found.summary for found in evaluation.diagnostics if found.is_error]


def test_providers_are_asked_once_in_the_order_of_dependencies() -> None:
    provider = Recorder({"t": {"id": "i"}, "s": {"v": 1}})
    evaluation = run(
        """
        resource "t" "last" { x = local.middle }
        locals { middle = t.middle[1].id }
        resource "t" "middle" {
          count = data.s.first.v + 1
          x     = count.index
        }
        data "s" "first" {}
        """,
        provider=provider,
    )
    assert evaluation.ok
    assert provider.asked == ["data.s.first", "t.middle[0]", "t.middle[1]", "t.last"]
    # Handed out in source order, with what each one depends on.
    assert [instance.address for instance in evaluation.instances] == [
        "data.s.first", "t.last", "t.middle[0]", "t.middle[1]",
    ]  # fmt: skip
    assert evaluation.references("t.last") == ("t.middle[0]", "t.middle[1]")
    assert evaluation.references("t.middle[0]") == ("data.s.first",)


def test_dependencies_go_through_modules() -> None:
    evaluation = run(
        {
            "main.tf": """
            resource "t" "a" {}
            module "m" {
              source = "./m"
              v      = t.a.id
            }
            resource "t" "b" { x = module.m.out }
            """,
            "m/main.tf": """
            variable "v" {}
            resource "u" "inside" { x = var.v }
            output "out" { value = u.inside.id }
            """,
        },
        provider=Recorder({}),
    )
    assert evaluation.references("t.b") == ("module.m.u.inside",)
    assert evaluation.references("module.m.u.inside") == ("t.a",)


def test_what_nobody_knows_is_unknown_and_what_is_written_is_known() -> None:
    evaluation = run(
        """
        resource "t" "a" {
          name = "n"
          part { size = 1 }
        }
        resource "t" "many" {
          for_each = { x = 1, y = 2 }
          name     = each.key
        }
        output "name" { value = t.a.name }
        output "id" { value = t.a.id }
        output "part" { value = t.a.part[0].size }
        output "names" { value = [for key, found in t.many : "${key}=${found.name}"] }
        output "ids" { value = length(values(t.many)[*].id) }
        output "all" { value = values(t.many)[*].name }
        """
    )
    assert evaluation.ok, evaluation.diagnostics
    outputs = evaluation.outputs
    assert to_python(outputs["name"]) == "n"
    assert not outputs["id"].is_known
    assert not outputs["part"].is_known
    assert to_python(outputs["names"]) == ["x=x", "y=y"]
    assert to_python(outputs["ids"]) == 2
    assert to_python(outputs["all"]) == ["x", "y"]


def test_dynamic_blocks_are_expanded_in_order() -> None:
    evaluation = run(
        """
        locals { zones = { b = ["1"], a = ["2", "3"] } }
        resource "t" "a" {
          first { v = 0 }
          dynamic "zone" {
            for_each = local.zones
            content {
              name = zone.key
              dynamic "item" {
                for_each = zone.value
                iterator = it
                content { v = "${zone.key}${it.value}-${it.key}" }
              }
            }
          }
          last { v = 9 }
        }
        """
    )
    assert evaluation.ok, evaluation.diagnostics
    content = evaluation.instances[0].config
    assert [block.type for block in content.blocks] == ["first", "zone", "zone", "last"]
    zones = list(content.of_type("zone"))
    assert [to_python(zone.content.attributes["name"]) for zone in zones] == ["a", "b"]
    items = [to_python(item.content.attributes["v"]) for zone in zones for item in zone.content.blocks]
    assert items == ["a2-0", "a3-1", "b1-0"]


def test_a_dynamic_block_of_unknown_length_is_one_unknown_block() -> None:
    evaluation = run(
        """
        resource "t" "a" {
          dynamic "zone" {
            for_each = t.other.zones
            content { name = zone.value }
          }
        }
        resource "t" "other" {}
        """
    )
    content = evaluation.instances[0].config
    assert content.unknown_blocks == {"zone"}
    assert not content.blocks[0].content.attributes["name"].is_known


def test_a_failing_argument_is_unknown_and_says_why() -> None:
    evaluation = run(
        """
        resource "t" "a" {
          bad  = [1][3]
          good = 1
        }
        output "good" { value = t.a.good }
        output "bad" { value = t.a.bad }
        """
    )
    instance = evaluation.instances[0]
    assert [found.summary for found in instance.diagnostics] == ["Invalid index"]
    assert errors(evaluation) == ["Invalid index"]
    assert to_python(evaluation.outputs["good"]) == 1
    assert not evaluation.outputs["bad"].is_known


def test_an_unknown_count_is_one_placeholder_or_strictly_an_error() -> None:
    text = """
    resource "t" "a" { count = t.b.n }
    resource "t" "b" {}
    output "first" { value = t.a[0].id }
    """
    tolerant = run(text)
    assert tolerant.ok
    assert [(found.address, found.unknown_key) for found in tolerant.instances] == [
        ("t.a", True),
        ("t.b", False),
    ]
    assert not tolerant.outputs["first"].is_known
    assert errors(run(text, context=EvalContext(strict=True))) == ["Invalid count argument"]


def test_variables_from_text_follow_their_types() -> None:
    text = """
    variable "s" { type = string }
    variable "n" { type = number }
    variable "l" { type = list(number) }
    variable "free" {}
    output "all" { value = [var.s, var.n, var.l, var.free] }
    """
    evaluation = run(text, s="[1]", n="12", l="[1, 2]", free="[1]")
    assert to_python(evaluation.outputs["all"]) == ["[1]", 12, [1, 2], "[1]"]
    assert errors(run(text, s="x", n="y", l="[", free="z")) == [
        "Missing expression",
        "Invalid value for input variable",
    ]
    assert errors(run(text, nope="x")) == ["Value for undeclared variable"]


def test_unset_variables_are_unknown_of_their_type_or_strictly_missing() -> None:
    text = 'variable "v" { type = list(string) }\noutput "x" { value = var.v }\n'
    assert str(run(text).outputs["x"].type) == "list of string"
    assert errors(run(text, context=EvalContext(strict=True))) == ["No value for required variable"]


def test_tfvars_files_are_read_in_order_and_arguments_win() -> None:
    files = {
        "main.tf": "".join(f'variable "{name}" {{}}\n' for name in "abc")
        + 'output "x" { value = [var.a, var.b, var.c] }\n',
        "terraform.tfvars": "a = 1\nb = 1\nc = 1\n",
        "z.auto.tfvars": "b = 2\n",
        "a.auto.tfvars.json": '{"b": 3, "c": 3, "other": 1}',
    }
    evaluation = run(files, c=number(4))
    assert to_python(evaluation.outputs["x"]) == [1, 2, 4]
    assert [found.summary for found in evaluation.diagnostics] == ["Value for undeclared variable"]


def test_validation_names_the_rule_and_the_message() -> None:
    evaluation = run(
        """
        variable "v" {
          validation {
            condition     = length(var.v) > 3
            error_message = "too short: ${var.v}"
          }
        }
        """,
        v="ab",
    )
    found = evaluation.diagnostics[0]
    assert found.summary == "Invalid value for variable"
    assert found.detail.startswith("too short: ab")
    assert found.range is not None
    assert found.range.start.line == 2


def test_conditions_of_resources_and_outputs() -> None:
    evaluation = run(
        """
        variable "n" { default = 1 }
        resource "t" "a" {
          x = 1
          lifecycle {
            precondition {
              condition     = var.n > 2
              error_message = "before"
            }
            postcondition {
              condition     = self.x == 2
              error_message = "after"
            }
            ignore_changes        = [x, y.z]
            create_before_destroy = true
            replace_triggered_by  = [t.b.id]
          }
        }
        resource "t" "b" {}
        output "o" {
          value = 1
          precondition {
            condition     = var.n == 2
            error_message = "output"
          }
        }
        """,
        provider=Recorder({"t": {"id": "i"}}),
    )
    assert [(found.summary, found.detail) for found in evaluation.diagnostics] == [
        ("Resource precondition failed", "before"),
        ("Resource postcondition failed", "after"),
        ("Module output value precondition failed", "output"),
    ]
    lifecycle = evaluation.instances[0].lifecycle
    assert lifecycle.ignore_changes == ("x", "y.z")
    assert lifecycle.create_before_destroy
    assert [(text, to_python(value)) for text, value in lifecycle.replace_triggered_by] == [("t.b.id", "i")]


def test_modules_not_installed_are_a_warning_and_unknown() -> None:
    evaluation = run('module "m" {\n  source = "registry/x/y"\n}\noutput "x" { value = module.m.anything }\n')
    assert evaluation.ok
    assert [found.summary for found in evaluation.diagnostics] == ["Module not installed"]
    assert not evaluation.outputs["x"].is_known


def test_installed_modules_are_found_by_the_manifest() -> None:
    evaluation = run(
        {
            "main.tf": 'module "m" {\n  source = "registry/x/y"\n}\noutput "x" { value = module.m.v }\n',
            ".terraform/modules/modules.json": (
                '{"Modules": [{"Key": "", "Dir": "."}, {"Key": "m", "Source": "registry/x/y", '
                '"Dir": ".terraform/modules/m/sub"}]}'
            ),
            ".terraform/modules/m/sub/main.tf": 'output "v" { value = path.module }\n',
        }
    )
    assert evaluation.ok
    assert to_python(evaluation.outputs["x"]) == ".terraform/modules/m/sub"


@pytest.mark.parametrize("source", ["../outside", "./missing", "./../../etc"])
def test_modules_outside_the_files_are_refused(source: str) -> None:
    assert errors(run(f'module "m" {{\n  source = "{source}"\n}}\n')) == ["Unreadable module directory"]


def test_functions_see_only_the_files_of_the_module() -> None:
    files = {"main.tf": 'output "x" { value = file(var.p) }\nvariable "p" {}\n', "in.txt": "inside"}
    assert to_python(run(files, p="in.txt").outputs["x"]) == "inside"
    for path in ("/etc/passwd", "../in.txt", "a/../../in.txt"):
        assert errors(run(files, p=path)), path


def test_targets_limit_the_work_to_what_they_need() -> None:
    provider = Recorder({})
    text = 'resource "t" "a" {}\nresource "t" "b" { x = t.a.id }\nresource "t" "c" {}\n'
    run(text, provider=provider, targets=["t.b"])
    assert provider.asked == ["t.a", "t.b"]


def test_a_provider_may_refuse_an_instance() -> None:
    class Refuses(Recorder):
        def resource(self, instance: Instance) -> Value | None:
            from coder_admin.terraform.diagnostics import error

            raise DiagnosticError(error("No such thing", "It is refused.", instance.range))

    evaluation = run('resource "t" "a" {}\noutput "x" { value = t.a.id }\n', provider=Refuses({}))
    assert errors(evaluation) == ["No such thing"]
    assert not evaluation.outputs["x"].is_known


def test_what_a_provider_takes_is_not_on_the_templates_clock() -> None:
    class Slow(Recorder):
        def resource(self, instance: Instance) -> Value | None:
            time.sleep(0.05)
            return super().resource(instance)

    budget = Budget(seconds=0.3, steps=100_000)
    text = 'resource "t" "a" { count = 8 }\noutput "x" { value = [for i in range(1000) : i + 1] }\n'
    evaluation = run(text, provider=Slow({}), context=EvalContext(budget=budget))
    assert evaluation.ok, evaluation.diagnostics


def test_time_is_unknown_without_a_clock_and_given_with_one() -> None:
    text = 'output "x" { value = timestamp() }\n'
    assert not run(text).outputs["x"].is_known
    now = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    assert to_python(run(text, context=EvalContext(now=now)).outputs["x"]) == "2024-05-06T07:08:09Z"


def test_expressions_can_be_asked_in_the_scope_of_any_module() -> None:
    evaluation = run(
        {
            "main.tf": 'module "m" {\n  source = "./m"\n  count = 2\n  v = count.index\n}\n',
            "m/main.tf": 'variable "v" {}\nlocals { w = var.v + 10 }\n',
        }
    )
    assert to_python(evaluation.value_of("local.w", "module.m[1]")) == 11
    assert to_python(evaluation.value_of("length(module.m)")) == 2
    with pytest.raises(DiagnosticError, match="has not been declared"):
        evaluation.value_of("local.nope")


def test_the_provider_value_decides_which_attributes_exist() -> None:
    provider = Recorder({"s": {"a": "x"}})
    text = 'data "s" "d" {}\noutput "x" { value = data.s.d.b }\n'
    assert errors(run(text, provider=provider)) == ["Unsupported attribute"]
    assert to_python(run(text.replace(".b", ".a"), provider=provider).outputs["x"]) == "x"


def test_the_same_content_is_compiled_once() -> None:
    files = {"main.tf": 'variable "cache_probe" { default = 1 }\n'}
    first, second = (load_module(MemoryFileSystem(files)) for _ in range(2))
    assert first.node is second.node
    changed = load_module(MemoryFileSystem({"main.tf": files["main.tf"] + "\n"}))
    assert changed.node is not first.node


def test_evaluation_does_not_depend_on_what_ran_before() -> None:
    module = load_module(
        MemoryFileSystem({"main.tf": 'variable "v" {}\noutput "x" { value = "${var.v}!" }\n'})
    )
    results = [evaluate(module, variables={"v": v}).outputs["x"] for v in ("a", "b", "a")]
    assert [to_python(value) for value in results] == ["a!", "b!", "a!"]


def test_sensitive_and_unknown_follow_the_data() -> None:
    evaluation = run(
        """
        variable "s" { sensitive = true }
        output "x" {
          value     = [for c in ["a"] : "${c}${var.s}"]
          sensitive = true
        }
        output "u" { value = { known = 1, not = upper(t.a.id) } }
        resource "t" "a" {}
        """,
        s=unknown(STRING),
    )
    assert evaluation.outputs["x"].is_sensitive
    assert not evaluation.outputs["x"].is_wholly_known
    known = evaluation.outputs["u"].data["known"]
    assert to_python(known) == 1
    assert string("a") == string("a")


@pytest.mark.parametrize(
    ("text", "summary", "line"),
    [
        ('locals { a = local.a }\n', "Self-referencing local value", 1),
        ('locals {\n  a = local.b\n  b = [local.a]\n}\n', "Cycle", 2),
        ('variable "v" { type = "string" }\n', "Invalid quoted type constraints", 1),
        ('variable "v" { type = foo }\n', "Invalid type specification", 1),
        ('variable "v" {\n  default  = null\n  nullable = false\n}\n',
         "Invalid default value for variable", 2),
        ('check "c" {\n  assert {\n    condition     = true\n    error_message = "x"\n  }\n}\n',
         "Invalid assert expression", 3),
        ('resource "terraform_data" "a" {\n  inpt = 1\n}\n', "Unsupported argument", 2),
        ('resource "terraform_data" "a" {\n  input = terraform_data.a.id\n}\n', "Self-referential block", 2),
        ('resource "t" "a" {\n  for_each = toset([1])\n}\n', "Invalid for_each set argument", 2),
        ('resource "t" "a" {\n  count = -1\n}\n', "Invalid count argument", 2),
        ('locals {\n  x {}\n}\n', 'Unexpected "x" block', 2),
        ('resource "t" {\n}\n', "Missing name for resource", 1),
        ('variabl "x" {\n}\n', "Unsupported block type", 1),
        ('module "m" {\n}\n', "Missing required argument", 1),
        ('locals {\n  a = {a.b = 1}\n}\n', "Reference to undeclared resource", 2),
        ('locals {\n  a = {local.b.c = 1}\n  b = {c = 1}\n}\n', "Ambiguous attribute key", 2),
        ('locals {\n  a = nosuch(1)\n}\n', "Call to unknown function", 2),
    ],
)  # fmt: skip
def test_wrong_modules_get_one_error_where_the_mistake_is(text: str, summary: str, line: int) -> None:
    found = [item for item in run(text).diagnostics if item.is_error]
    assert [(item.summary, item.range.start.line if item.range else 0) for item in found] == [(summary, line)]


def test_an_argument_that_does_not_parse_is_no_missing_argument() -> None:
    evaluation = run('output "x" {\n  value = 1 1\n}\nlocals {\n  a = )\n  b = local.a\n}\n')
    assert errors(evaluation) == ["Missing newline after argument", "Invalid expression"]
    assert not evaluation.outputs["x"].is_known


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("true && null", False),
        ("null || true", True),
        ("[1][5] == 1 || true", True),
        ("false && [1][5] == 1", False),
        ("try(nosuch(1), 2)", 2),
        ("can(true && null)", True),
        ("true ? 1 : [1][5]", 1),
    ],
)
def test_a_deciding_side_hides_errors_of_the_other(expression: str, wanted: object) -> None:
    evaluation = run(f'output "x" {{\n  value = {expression}\n}}\n')
    assert evaluation.ok, evaluation.diagnostics
    assert to_python(evaluation.outputs["x"]) == wanted


def test_threads_share_a_module_without_disturbing_each_other() -> None:
    module = load_module(
        MemoryFileSystem(
            {
                "main.tf": 'variable "v" {}\nlocals { w = [for i in range(50) : "${var.v}-${i}"] }\n'
                'module "m" {\n  source = "./m"\n  for_each = toset(local.w)\n  v = each.key\n}\n'
                'output "x" { value = join(",", [for key, found in module.m : found.out]) }\n',
                "m/main.tf": 'variable "v" {}\noutput "out" { value = upper(var.v) }\n',
            }
        )
    )

    def once(name: str) -> str:
        return str(to_python(evaluate(module, variables={"v": name}).outputs["x"]))

    names = [f"n{at}" for at in range(12)]
    alone = [once(name) for name in names]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(once, names * 3)) == alone * 3


def test_caches_forget_what_was_used_least_recently() -> None:
    cache: BoundedCache[str, str] = BoundedCache(10)
    for name in "abc":
        cache.get_or_make(name, lambda name=name: name * 2, lambda _: 4)  # type: ignore[misc]
    assert cache.get("a") is None
    assert cache.get("b") == "bb"
    cache.get_or_make("d", lambda: "dd", lambda _: 4)
    assert (cache.get("b"), cache.get("c")) == ("bb", None)
    assert cache.get_or_make("huge", lambda: "x", lambda _: 11) == "x"
    assert cache.get("huge") is None


@pytest.mark.parametrize(
    ("block", "summaries"),
    [
        ("moved {\n  from = a.b\n  to = a.c\n}", []),
        ("moved {\n  from = a.b\n}", ["Missing required argument"]),
        ("moved {\n  from = a.b\n  to = a.c\n  x = 1\n}", ["Unsupported argument"]),
        ('import {\n  to = a.b\n  id = "x"\n}', []),
        ('import {\n  to = a.b\n  identity = { id = "x" }\n}', []),
        ("import {\n  to = a.b\n}", ["Invalid import block"]),
        ('import {\n  id = "x"\n}', ["Missing required argument"]),
        ("removed {\n  from = a.b\n  lifecycle {\n    destroy = false\n  }\n}", []),
        ("removed {\n}", ["Missing required argument"]),
        ("removed {\n  from = a.b\n  content {\n  }\n}", ["Unsupported block type"]),
    ],
)
def test_blocks_about_state_are_checked(block: str, summaries: list[str]) -> None:
    found = load_module(MemoryFileSystem({"main.tf": f"{block}\n"})).diagnostics
    assert [item.summary for item in found] == summaries
    assert all(item.range is not None for item in found)


def test_ephemeral_resources_are_unknown_and_do_not_leave() -> None:
    block = 'ephemeral "a" "b" {}\n'
    text = block + 'output "o" {\n  value = ephemeral.a.b.token\n}\n'
    found = evaluate(load_module(MemoryFileSystem({"main.tf": text})))
    assert [item.summary for item in found.diagnostics] == ["Ephemeral value not allowed"]
    text = (
        block + "locals {\n  t = ephemeralasnull(ephemeral.a.b.token)\n  u = upper(ephemeral.a.b.token)\n}\n"
    )
    found = evaluate(load_module(MemoryFileSystem({"main.tf": text})))
    assert found.ok
    assert not found.value_of("ephemeral.a.b").is_known
    found = evaluate(
        load_module(MemoryFileSystem({"main.tf": block + "locals {\n  t = ephemeral.a.c.x\n}\n"}))
    )
    assert [item.summary for item in found.diagnostics] == ["Reference to undeclared resource"]
