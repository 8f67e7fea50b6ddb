"""Whether a value may be a parameter's value (reference dynamic-parameters 5.2 and 5.3).

One function for form, import and build. It reports the first step that fails, because a later one
would only repeat it in other words.
"""

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import re2

from coder_admin.parameters import gotext
from coder_admin.parameters.forms import FormType, FormTypeError, ParameterType, form_type_for, option_type
from coder_admin.parameters.model import Note, Option, Rule, error, value_error

_TYPE_NAMES = {
    ParameterType.NUMBER: "a number",
    ParameterType.BOOL: "a bool",
    ParameterType.LIST: "a valid list of strings",
}
_LIST_DETAIL = 'list(string) parameters take text such as ["a", "b"]'


class RuleError(ValueError):
    """The value breaks its ``validation`` block; the text is for the person who typed it."""


def type_problem(kind: ParameterType, value: str) -> str | None:
    """Why ``value`` is no text of type ``kind``, or None if it is one."""
    match kind:
        case ParameterType.NUMBER:
            fits = gotext.is_float(value)
        case ParameterType.BOOL:
            fits = gotext.parse_bool(value) is not None
        case ParameterType.LIST:
            fits = gotext.parse_strings(value) is not None
        case _:
            fits = True
    return None if fits else f'"{value}" is not {_TYPE_NAMES[kind]}'


def check_rule(kind: ParameterType, rule: Rule, value: str, previous: str | None = None) -> None:
    """Apply one ``validation`` block to a value; raises RuleError (5.3)."""
    if kind is not ParameterType.NUMBER:
        if rule.min is not None:
            raise RuleError(f"a min cannot be specified for a {kind} type")
        if rule.max is not None:
            raise RuleError(f"a max cannot be specified for a {kind} type")
        if rule.monotonic:
            raise RuleError(f"monotonic validation can only be specified for number types, not {kind} types")
    if kind is not ParameterType.STRING and rule.regex:
        raise RuleError(f"a regex cannot be specified for a {kind} type")
    match kind:
        case ParameterType.BOOL:
            if value not in ("true", "false"):
                raise RuleError('boolean value can be either "true" or "false"')
        case ParameterType.STRING:
            _check_regex(rule, value)
        case ParameterType.NUMBER:
            _check_number(rule, value, previous)
        case ParameterType.LIST:
            if gotext.parse_strings(value) is None:
                raise RuleError(f'"{value}" is not a valid list of strings')


def check_monotonic(rule: Rule, value: str, previous: str) -> None:
    """Raise RuleError when ``value`` moves against the allowed direction. Texts that are no whole
    numbers are not compared."""
    before, now = gotext.parse_whole(previous), gotext.parse_whole(value)
    if before is None or now is None:
        return
    if rule.monotonic == "increasing" and now < before:
        raise RuleError(f"parameter value '{now}' must be equal or greater than previous value: {before}")
    if rule.monotonic == "decreasing" and now > before:
        raise RuleError(f"parameter value '{now}' must be equal or lower than previous value: {before}")


def _check_regex(rule: Rule, value: str) -> None:
    if not rule.regex:
        return
    try:
        pattern = compile_regex(rule.regex)
    except re2.error as problem:
        reason = problem.args[0] if problem.args else problem
        text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise RuleError(f'compile regex "{rule.regex}": {text}') from None
    if not rule.error:
        raise RuleError("an error must be specified with a regex validation")
    if pattern.search(_utf8(value)) is None:
        raise RuleError(f'{rule.error} (value "{value}" does not match "{rule.regex}")')


@lru_cache(maxsize=512)
def compile_regex(pattern: str) -> Any:
    """Compile by RE2, whose time is linear in the text; raises re2.error."""
    options = re2.Options()
    options.log_errors = False
    return re2.compile(_utf8(pattern), options)


def _utf8(text: str) -> str:
    # A lone surrogate cannot be encoded; as in Go, it reads as the replacement character.
    return text.encode("utf-8", "replace").decode("utf-8")


def _check_number(rule: Rule, value: str, previous: str | None) -> None:
    number = gotext.parse_whole(value)
    if number is None:
        raise RuleError(_custom(rule, value) or f'value "{value}" is not a number')
    if rule.min is not None and number < rule.min:
        raise RuleError(_custom(rule, value) or f"value {number} is less than the minimum {rule.min}")
    if rule.max is not None and number > rule.max:
        raise RuleError(_custom(rule, value) or f"value {number} is more than the maximum {rule.max}")
    if rule.monotonic not in ("", "increasing", "decreasing"):
        raise RuleError('number monotonicity can be either "increasing" or "decreasing"')
    if rule.monotonic and previous is not None:
        check_monotonic(rule, value, previous)


def _custom(rule: Rule, value: str) -> str:
    """The author's own error text; an absent bound reads 0, as authors know it from Coder."""
    bounds = {"{min}": str(rule.min or 0), "{max}": str(rule.max or 0), "{value}": value}
    text = rule.error
    for placeholder, replacement in bounds.items():
        text = text.replace(placeholder, replacement)
    return text


def validate_value(
    *,
    kind: ParameterType,
    wish: str = "",
    options: Sequence[Option] = (),
    rule: Rule | None = None,
    value: str | None = None,
    default: str | None = None,
    previous: str | None = None,
) -> tuple[str, list[Note]]:
    """The effective text and what is wrong with it (an empty list if nothing is).

    ``wish`` is the written form type ("" = none), ``value`` the input (None = none), ``default`` taken
    when there is no input, ``previous`` the last build's value for monotonic rules.
    """
    noun = "Value" if value is not None or default is None else "Default value"
    given = default if value is None else value
    try:
        form_type = form_type_for(kind, has_options=bool(options), wish=wish)
    except FormTypeError as problem:
        return given or "", [error("Invalid form_type for parameter", str(problem))]
    problems = option_problems(kind, form_type, options)
    if problems or (given is None and rule is None):
        return given or "", problems
    text = given or ""
    wrong_choice = _choice_problem(kind, form_type, options, text, noun) if options else None
    if wrong_choice:
        return text, [wrong_choice]
    if rule is not None:
        try:
            check_rule(kind, rule, text, previous)
        except RuleError as broken:
            subject = "parameter value" if noun == "Value" else "default value"
            return text, [value_error(f"Invalid {subject} according to 'validation' block", str(broken))]
    if wrong := type_problem(kind, text):
        subject = "Parameter value" if noun == "Value" else "Default value"
        return text, [value_error(f'{subject} is not of type "{kind}"', wrong)]
    return text, []


def option_problems(kind: ParameterType, form_type: FormType, options: Sequence[Option]) -> list[Note]:
    """Step 3: option names unique, values unique, every value of the option type."""
    for what, items in (
        ("names", [option.name for option in options]),
        ("values", [option.value.value for option in options]),
    ):
        twice = sorted(item for item, count in Counter(items).items() if count > 1)
        if twice:
            listed = ", ".join(f'"{item}"' for item in twice)
            return [error(f"Option {what} must be unique.", f"more than one option has {listed}")]
    wanted = option_type(kind, form_type)
    problems = []
    for option in options:
        if wrong := type_problem(wanted, option.value.value):
            summary = f'Option "{option.name}" with value={option.value.value} is not of type "{wanted}"'
            problems.append(error(summary, wrong))
    return problems


def _choice_problem(
    kind: ParameterType, form_type: FormType, options: Sequence[Option], text: str, noun: str
) -> Note | None:
    """Step 6: the value (or each element of a multi-select's value) is one of the options."""
    offered = [option.value.value for option in options]
    if kind is ParameterType.LIST and form_type is FormType.MULTI_SELECT:
        chosen = gotext.parse_strings(text)
        if chosen is None:
            return value_error(
                f"When using list(string) type, {noun.lower()} must be a json encoded list of strings",
                f'"{text}" is not one; {_LIST_DETAIL}',
            )
        missing = [item for item in chosen if item not in offered]
        if missing:
            return value_error(
                f"{noun}s must be a valid option",
                f'{noun.lower()}s "{", ".join(missing)}" are missing from the options',
            )
        return None
    if text in offered:
        return None
    summary = f"{noun} must be a valid option"
    if not text:
        summary += ". The value is empty, did you forget to set it with a default or from user input?"
    return value_error(summary, f'the {noun.lower()} "{text}" must be defined as one of options')
