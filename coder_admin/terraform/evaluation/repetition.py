"""count and for_each: which instances a block has."""

from __future__ import annotations

from coder_admin.terraform.config.declarations import ModuleCall, Resource
from coder_admin.terraform.convert import ConversionError, convert, set_length_known
from coder_admin.terraform.diagnostics import DiagnosticError, Range, error
from coder_admin.terraform.environment import Env
from coder_admin.terraform.model import Key
from coder_admin.terraform.types import DYNAMIC, NUMBER, STRING, MapType, ObjectType, SetType
from coder_admin.terraform.values import (
    DYNAMIC_UNKNOWN,
    EPHEMERAL,
    SENSITIVE,
    Refinement,
    Value,
    number,
    string,
    unknown,
)

MAX_COUNT = 1_000_000

UNKNOWN_REPETITION = (unknown(NUMBER), DYNAMIC_UNKNOWN, DYNAMIC_UNKNOWN)
UNKNOWN_KEYS = "unknown_keys"  # the code of that diagnostic
UNSUITABLE = "repetition"  # the code for what can never be a count or for_each

_Keys = dict[Key, Value | None]  # instance keys and their each.value


def repeat_of(block: Resource | ModuleCall) -> str:
    """`for_each`, `count` or nothing."""
    if block.for_each is not None:
        return "for_each"
    return "count" if block.count is not None else ""


def repetition(key: Key, each: Value | None) -> tuple[Value | None, Value | None, Value | None]:
    """count.index, each.key and each.value of an instance."""
    if isinstance(key, int):
        return number(key), None, None
    if isinstance(key, str):
        return None, string(key), each
    return None, None, None


def instance_keys(block: Resource | ModuleCall, env: Env) -> _Keys | None:
    """Keys of the instances, and each.value of each; None while that is unknown.

    DiagnosticError for what cannot be a count or for_each.
    """
    if block.for_each is not None:
        if block.for_each.problems:
            return None
        keys = _for_each(block.for_each.run(env), block.for_each.range)
        env.meter.add_instances(len(keys or ()))
        return keys
    if block.count is not None:
        if block.count.problems:
            return None
        return _count(block.count.run(env), block.count.range, env)
    return {None: None}


def _count(value: Value, where: Range, env: Env) -> _Keys | None:
    def invalid(detail: str) -> DiagnosticError:
        return DiagnosticError(error("Invalid count argument", detail, where, UNSUITABLE))

    if value.data is None:
        raise invalid('The given "count" argument value is null. An integer is required.')
    try:
        value = convert(value, NUMBER)
    except ConversionError as problem:
        raise DiagnosticError(
            error("Incorrect value type", f"Invalid expression value: {problem}.", where, UNSUITABLE)
        ) from None
    if value.data is None:
        raise invalid('The given "count" argument value is null. An integer is required.')
    if value.marks & EPHEMERAL:
        raise invalid(
            'Ephemeral values, or values derived from them, cannot be used as the "count" argument.'
        )
    count = value.data
    if type(count) is Refinement:
        return None
    if type(count) is not int:
        raise invalid('The given "count" argument value is unsuitable: must be a whole number.')
    if count < 0:
        raise invalid(
            'The given "count" argument value is unsuitable: must be greater than or equal to zero.'
        )
    env.meter.add_instances(min(count, MAX_COUNT))
    return dict.fromkeys(range(count))


def _for_each(value: Value, where: Range) -> _Keys | None:
    def invalid(detail: str) -> DiagnosticError:
        return DiagnosticError(error("Invalid for_each argument", detail, where, UNSUITABLE))

    def invalid_set(detail: str) -> DiagnosticError:
        return DiagnosticError(error("Invalid for_each set argument", detail, where, UNSUITABLE))

    unsuitable = 'The given "for_each" argument value is unsuitable'
    if value.marks & SENSITIVE:
        raise invalid(
            "Sensitive values, or values derived from sensitive values, cannot be used as for_each "
            "arguments. If used, the sensitive value could be exposed as a resource instance key."
        )
    if value.data is None:
        raise invalid(
            f'{unsuitable}: the given "for_each" argument value is null. A map, or set of strings is allowed.'
        )
    of = value.type
    if not isinstance(of, MapType | SetType | ObjectType) and of is not DYNAMIC:
        raise invalid(
            f'{unsuitable}: the "for_each" argument must be a map, or set of strings, and you have '
            f"provided a value of type {of}."
        )
    if type(value.data) is Refinement:
        return None
    if not isinstance(of, SetType):
        return dict(value.data)
    if not set_length_known(value) or not value.is_wholly_known:
        return None
    if value.data and of.element is not STRING:
        raise invalid_set(
            f'{unsuitable}: "for_each" supports maps and sets of strings, but you have provided a set '
            f"containing type {of.element}."
        )
    keys: _Keys = {}
    for element in value.data:
        if element.data is None:
            raise invalid_set(f'{unsuitable}: "for_each" sets must not contain null values.')
        keys[element.data] = string(element.data)
    return keys


def unknown_keys(block: Resource | ModuleCall) -> DiagnosticError:
    """The error of a plan for a repetition that is not known yet."""
    if block.for_each is not None:
        return DiagnosticError(
            error(
                "Invalid for_each argument",
                'The "for_each" set includes values derived from resource attributes that cannot be '
                "determined until apply, and so Terraform cannot determine the full set of keys that will "
                "identify the instances of this resource.",
                block.for_each.range,
                UNKNOWN_KEYS,
            )
        )
    return DiagnosticError(
        error(
            "Invalid count argument",
            'The "count" value depends on resource attributes that cannot be determined until apply, so '
            "Terraform cannot predict how many instances will be created.",
            None if block.count is None else block.count.range,
            UNKNOWN_KEYS,
        )
    )
