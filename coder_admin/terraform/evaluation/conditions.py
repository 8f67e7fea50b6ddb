"""Conditions that a template states: preconditions, postconditions, validations, assertions of checks."""

from __future__ import annotations

from collections.abc import Iterable

from coder_admin.terraform.config.declarations import Rule
from coder_admin.terraform.convert import ConversionError, convert
from coder_admin.terraform.diagnostics import Diagnostic, error, warning
from coder_admin.terraform.environment import Env
from coder_admin.terraform.evaluation.content import run
from coder_admin.terraform.types import BOOL, STRING
from coder_admin.terraform.values import to_text


def broken(
    rule: Rule, env: Env, diagnostics: list[Diagnostic], summary: str = "Invalid condition result"
) -> str | None:
    """The message of a rule whose condition is false; None when it holds or is unknown.

    summary: of the error when the condition's result is no bool.
    """
    condition = run(rule.condition, env, diagnostics)
    if condition.data is None:
        detail = "Condition expression must return either true or false, not null."
        diagnostics.append(error(summary, detail, rule.range))
        return None
    try:
        condition = convert(condition, BOOL)
    except ConversionError as problem:
        diagnostics.append(error(summary, f"Invalid condition result value: {problem}.", rule.range))
        return None
    return message(rule, env, diagnostics) if condition.data is False else None


def report_broken(
    rules: Iterable[Rule], env: Env, summary: str, diagnostics: list[Diagnostic], reports: list[Diagnostic]
) -> None:
    """Add an error to `reports` for each rule that does not hold; `diagnostics` take what cannot be run."""
    for rule in rules:
        text = broken(rule, env, diagnostics)
        if text is not None:
            reports.append(error(summary, text, rule.range, "condition"))


def report_assertions(rules: Iterable[Rule], env: Env, diagnostics: list[Diagnostic]) -> None:
    """The assertions of a check block: whatever is wrong with them is but a warning."""
    for rule in rules:
        problems: list[Diagnostic] = []
        condition = run(rule.condition, env, problems)
        if problems:
            diagnostics += [warning(p.summary, p.detail, p.range, "check") for p in problems]
        elif condition.deeply_unmarked().data is False:
            text = message(rule, env, problems)
            diagnostics += [warning(p.summary, p.detail, p.range, "check") for p in problems]
            diagnostics.append(warning("Check block assertion failed", text, rule.range, "check"))


def message(rule: Rule, env: Env, diagnostics: list[Diagnostic]) -> str:
    """What the rule says when it does not hold; nothing sensitive."""
    if rule.message is None:
        return "The condition does not hold."
    value = run(rule.message, env, diagnostics)
    if value.is_sensitive:
        diagnostics.append(
            error(
                "Error message refers to sensitive values",
                "This message would show a sensitive value, so it is not shown. Take the value out of it, or "
                "use nonsensitive() where the message does not reveal what is secret.",
                rule.message.range,
            )
        )
        return "The error message included a sensitive value, so it will not be displayed."
    try:
        return to_text(convert(value, STRING)).strip()
    except ConversionError as problem:
        detail = f"Unsuitable value for error message: {problem}."
        diagnostics.append(error("Invalid error message", detail, rule.message.range))
    except ValueError:
        pass
    return "The condition does not hold, and its error message is not known."
