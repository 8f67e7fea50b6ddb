"""Evaluating again after a change gives what an evaluation from scratch gives, and does less."""

from __future__ import annotations

import gc
import random
import weakref
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coder_admin.terraform import (
    Budget,
    EvalContext,
    Evaluation,
    MemoryFileSystem,
    evaluate,
    load_module,
    string,
    to_python,
)
from coder_admin.terraform.diagnostics import DiagnosticError
from tests.terraform.profile import EXAMPLES
from tests.terraform.random_modules import Answers, random_inputs, random_tree


def everything(evaluation: Evaluation) -> dict[str, Any]:
    """All that an evaluation says, of every module instance."""
    scopes = [scope for scopes in evaluation.evaluator.scopes.values() for scope in scopes]
    return {
        "instances": evaluation.instances,
        "diagnostics": evaluation.diagnostics,
        "module outputs": evaluation.module_outputs,
        "variables": {scope.address: scope.variables for scope in scopes},
        "locals": {scope.address: scope.locals for scope in scopes},
        "steps": evaluation.evaluator.meter.steps,
        "counted instances": evaluation.evaluator.meter.instances,
    }


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.integers(0, 2**32), st.booleans(), st.sampled_from([100_000, 300]))
def test_evaluating_again_equals_evaluating_from_scratch(seed: int, strict: bool, steps: int) -> None:
    source = random.Random(seed)
    module = load_module(MemoryFileSystem(random_tree(source)))
    context = EvalContext(strict=strict, budget=Budget(steps=steps))
    inputs, answers = random_inputs(source), dict[str, str]()
    previous = evaluate(module, variables=inputs, provider=Answers(answers), context=context)
    for _ in range(4):
        before = everything(previous)
        changed = random_inputs(source)
        inputs = {**inputs, **dict(list(changed.items())[: source.randint(0, 2)])}
        if inputs and source.random() < 0.3:
            del inputs[source.choice(sorted(inputs))]
        data = [instance.address for instance in previous.instances if instance.mode == "data"]
        for address in source.sample(data, min(len(data), source.randint(0, 2))):
            answers = {**answers, address: source.choice("abc12")}
        again = evaluate(
            module, variables=inputs, provider=Answers(answers), context=context, previous=previous
        )
        scratch = evaluate(module, variables=inputs, provider=Answers(answers), context=context)
        assert everything(again) == everything(scratch)
        assert everything(previous) == before  # it stays as it was
        previous = again


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.integers(0, 2**32))
def test_evaluation_is_deterministic(seed: int) -> None:
    files = random_tree(random.Random(seed))
    inputs = random_inputs(random.Random(seed))
    first, second = (
        evaluate(load_module(MemoryFileSystem(files)), variables=inputs, provider=Answers({})) for _ in "12"
    )
    assert everything(first) == everything(second)


TEMPLATE = """
variable "x" { default = 1 }
data "p" "a" {}
data "p" "b" { default = try(data.p.a.value, "none") }
data "p" "c" {}
locals {
  long   = length(try(data.p.a.value, "")) > 3
  always = local.long ? 1 : 0
}
resource "r" "r" { count = local.always }
module "m" {
  source = "./m"
  b      = data.p.b.value
}
output "b" { value = module.m.b }
"""
CHILD = 'variable "b" {}\ndata "p" "inside" { default = var.b }\noutput "b" { value = "<${var.b}>" }\n'


class TestWhatIsRun:
    def setup_method(self) -> None:
        self.module = load_module(MemoryFileSystem({"main.tf": TEMPLATE, "m/main.tf": CHILD}))
        self.first = evaluate(self.module, provider=Answers({"data.p.b": "1"}))

    def again(self, inputs: dict[str, str], **variables: str) -> tuple[Evaluation, int]:
        provider = Answers(inputs)
        found = evaluate(self.module, provider=provider, variables=variables, previous=self.first)
        return found, provider.asked

    def test_nothing_when_nothing_changes(self) -> None:
        again, asked = self.again({"data.p.b": "1"})
        assert asked == 0
        assert again.instances == self.first.instances

    def test_only_what_depends_on_an_input(self) -> None:
        again, asked = self.again({"data.p.b": "2"})
        assert asked == 2  # b, and the one in the module
        assert to_python(again.outputs["b"]) == "<2>"
        assert to_python(self.first.outputs["b"]) == "<1>"
        assert again.instance("data.p.c") is self.first.instance("data.p.c")

    def test_the_arguments_of_a_block_that_is_only_answered_anew_stay(self) -> None:
        again, _ = self.again({"data.p.b": "2"})
        b, inside = again.instance("data.p.b"), again.instance("module.m.data.p.inside")
        assert b is not None
        assert inside is not None
        assert b.config is self.first.instance("data.p.b").config  # type: ignore[union-attr]
        assert to_python(inside.config.attributes["default"]) == "2"

    def test_a_block_that_mentions_itself_is_evaluated_anew(self) -> None:
        body = "  a = coalesce(data.p.s, 1)\n  b = try(tolist(data.p.s), [])\n"
        own = f'data "p" "s" {{\n{body}}}\noutput "s" {{ value = try(data.p.s.b, data.p.s) }}\n'
        own += "locals { seen = try(tonumber(data.p.s), 1) }\n"
        module = load_module(MemoryFileSystem({"main.tf": own}))
        provider = Answers({"data.p.s": "1"})
        again = evaluate(module, provider=provider, previous=evaluate(module, provider=Answers({})))
        assert everything(again) == everything(evaluate(module, provider=provider))

    def test_an_evaluation_that_is_given_up_goes_at_once(self) -> None:
        gone: list[weakref.ref[Any]] = [
            weakref.ref(self.first.evaluator.root),
            weakref.ref(self.first.evaluator.functions),
        ]
        again, _ = self.again({"data.p.b": "2"})
        gc.disable()
        try:
            del self.first
            assert [ref() for ref in gone] == [None, None], "no collector of cycles is needed"
        finally:
            gc.enable()
        assert again.value_of('"${module.m.b}"') == string("<2>")

    def test_a_value_that_comes_out_the_same_stops_the_change(self) -> None:
        again, asked = self.again({"data.p.b": "1", "data.p.a": "ab"})
        assert asked == 2  # a and b; b's own value stays, so the module is not entered
        assert again.instance("module.m.data.p.inside") is self.first.instance("module.m.data.p.inside")

    def test_a_variable_that_nothing_reads(self) -> None:
        again, asked = self.again({"data.p.b": "1"}, x="2")
        assert asked == 0
        assert to_python(again.variables["x"]) == "2"

    def test_addresses_follow_through_values_that_stay(self) -> None:
        again, _ = self.again({"data.p.b": "1", "data.p.a": "abcd"})
        assert again.references("r.r[0]") == ("data.p.a",)

    def test_a_provider_that_cannot_compare_is_asked_about_all(self) -> None:
        asked: list[str] = []

        class Plain:
            def data(self, instance: Any) -> None:
                asked.append(instance.address)

            def resource(self, instance: Any) -> None:
                asked.append(instance.address)

        evaluate(self.module, provider=Plain(), previous=self.first)
        assert len(asked) == 5

    def test_another_module_or_context_starts_from_scratch(self) -> None:
        provider = Answers({"data.p.b": "1"})
        evaluate(self.module, provider=provider, previous=self.first, context=EvalContext(workspace="other"))
        assert provider.asked == 5
        same = load_module(MemoryFileSystem({"main.tf": TEMPLATE, "m/main.tf": CHILD}))
        evaluate(same, provider=provider, previous=self.first)
        assert provider.asked == 10

    def test_expressions_see_the_new_values(self) -> None:
        again, _ = self.again({"data.p.b": "9"})
        assert to_python(again.value_of("var.b", "module.m")) == "9"
        with pytest.raises(DiagnosticError):
            again.value_of("nothing")
        assert again.value_of('"${data.p.b.value}"') == string("9")
