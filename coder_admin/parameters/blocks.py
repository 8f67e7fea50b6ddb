"""Reading a ``coder_parameter`` block (reference dynamic-parameters 4.9, 5, 10.1).

A block that can be read becomes a parameter and keeps its errors for itself; what prevents reading
it (no name, a type outside the enum) is a top-level error. Pure: values in, dataclasses out.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from coder_admin.parameters.forms import FormType, FormTypeError, ParameterType, form_type_for
from coder_admin.parameters.model import (
    Note,
    NullText,
    Option,
    PreviewParameter,
    Rule,
    error,
    value_error,
    warning,
)
from coder_admin.parameters.reading import (
    attribute,
    has_value,
    is_text,
    optional_flag,
    optional_text,
    optional_whole,
    place_of,
    reasons,
    text_of,
    why_unknown,
)
from coder_admin.parameters.urls import url_problem
from coder_admin.parameters.validation import validate_value
from coder_admin.terraform import Block, Instance
from coder_admin.terraform.types import STRING
from coder_admin.terraform.values import Value, to_text

_STYLING: dict[str, type] = {"placeholder": str, "disabled": bool, "label": str, "mask_input": bool}
_SHOWN_TEXTS = ("display_name", "description", "icon", "styling")


class UnreadableBlockError(Exception):
    """The block gives no parameter at all; carries the top-level diagnostic."""

    def __init__(self, note: Note) -> None:
        super().__init__(note.summary)
        self.note = note


def required_name(instance: Instance) -> str:
    """The ``name`` of a block; raises UnreadableBlockError when there is no usable one."""
    value = attribute(instance.config, "name")
    place = place_of(instance, "name")
    if value is None:
        summary = f'Missing required attribute "name" for block "{instance.address}"'
        raise UnreadableBlockError(error(summary, "name is required: give the block one.", range=place))
    summary = f'Invalid "name" attribute for block "{instance.address}"'
    if not value.is_known:
        raise UnreadableBlockError(
            error(
                summary, f"The name cannot be resolved: {why_unknown(instance.config, 'name')}", range=place
            )
        )
    if value.is_null or value.type is not STRING:
        found = "null" if value.is_null else str(value.type)
        raise UnreadableBlockError(error(summary, f"Expected a string, got {found}.", range=place))
    if value.deep_marks:
        raise UnreadableBlockError(error(summary, "The name must not be sensitive.", range=place))
    if not to_text(value):
        raise UnreadableBlockError(error(summary, "The name must not be empty.", range=place))
    return to_text(value)


def _enum_member(instance: Instance, name: str, allowed: Sequence[str], default: str) -> str:
    value = attribute(instance.config, name)
    if value is None or not has_value(value) or value.type is not STRING or value.deep_marks:
        return default
    text = to_text(value)
    if text in allowed or (not text and name == "form_type"):
        return text
    raise UnreadableBlockError(
        error(
            f'Invalid "{name}" attribute for block "{instance.address}"',
            f'"{text}" is not supported: the {name} must be one of {", ".join(allowed)}.',
            range=place_of(instance, name),
        )
    )


@dataclass(frozen=True, slots=True)
class Declared:
    """A parameter as its block describes it, still without its value.

    notes: what is wrong with the block. wish: the form type that it asks for.
    """

    parameter: PreviewParameter
    default: Value | None
    notes: tuple[Note, ...]
    wish: str


def read_declaration(instance: Instance) -> Declared:
    """What the block says, whatever the inputs are. Raises UnreadableBlockError."""
    content = instance.config
    name = required_name(instance)
    kind = ParameterType(_enum_member(instance, "type", list(ParameterType), ParameterType.STRING))
    wish = _enum_member(instance, "form_type", list(FormType), "")
    options, notes, has_options = _read_options(instance)
    rules = tuple(_read_rule(block) for block in content.of_type("validation") if not block.uncertain)
    if len(rules) > 1:
        detail = "At most 1 validation block is allowed: merge them into one."
        notes.append(error("Multiple 'validation' blocks found", detail, range=instance.range))
    try:
        form_type = form_type_for(kind, has_options=has_options, wish=wish)
    except FormTypeError as problem:
        form_type = FormType.ERROR
        summary = f'Invalid parameter `type="{kind}"` and `form_type="{wish}"`'
        notes.append(error(summary, str(problem), range=place_of(instance, "form_type")))
    default = attribute(content, "default")
    ephemeral, mutable = optional_flag(content, "ephemeral"), optional_flag(content, "mutable")
    required = default is None or (default.is_known and default.is_null)
    notes += _flag_notes(instance, ephemeral=ephemeral, mutable=mutable, required=required)
    notes += _icon_notes(instance, options) + _hidden_notes(instance)
    parameter = PreviewParameter(
        name=name,
        type=kind,
        form_type=form_type,
        display_name=optional_text(content, "display_name"),
        description=optional_text(content, "description"),
        styling=_read_styling(optional_text(content, "styling")),
        mutable=mutable,
        default_value=NullText.of(text_of(default)),
        icon=optional_text(content, "icon"),
        options=tuple(options),
        validations=rules,
        required=required,
        order=optional_whole(content, "order") or 0,
        ephemeral=ephemeral,
        range=instance.range,
    )
    return Declared(parameter, default, tuple(notes), wish)


def with_value(declared: Declared, instance: Instance, inputs: Mapping[str, str]) -> PreviewParameter:
    """The parameter with its value and everything that is wrong with it."""
    value, value_notes = _value(instance, declared, inputs)
    parameter = replace(declared.parameter, value=value)
    notes = declared.notes
    if not any(note.is_error for note in notes):
        # A value that cannot be resolved yet is neither right nor wrong; a missing one is judged as "".
        settled = value.valid or parameter.required
        judged = parameter if settled else replace(parameter, validations=())
        notes += tuple(check_parameter(judged, wish=declared.wish))
    return parameter.noting(*notes, *value_notes)


def check_parameter(
    parameter: PreviewParameter, *, wish: str = "", previous: str | None = None
) -> list[Note]:
    """Section 5.2 for a parameter that was read, with the range of its block on each finding."""
    rule = parameter.validations[0] if parameter.validations else None
    _, found = validate_value(
        kind=ParameterType(parameter.type),
        wish=wish,
        options=parameter.options,
        rule=rule,
        value=parameter.value.text,
        previous=previous,
    )
    return [replace(note, range=parameter.range) for note in found]


def _value(instance: Instance, declared: Declared, inputs: Mapping[str, str]) -> tuple[NullText, list[Note]]:
    """The effective value (4.2) and what is said when there is none."""
    name, default = declared.parameter.name, declared.default
    place = place_of(instance, "default")
    written = attribute(instance.config, "value")
    if written is not None and is_text(written):
        return NullText.of(text_of(written)), []  # a block that sets its value itself is left alone
    if name in inputs:
        return NullText.of(inputs[name]), []
    if declared.parameter.required or default is None:
        note = value_error(
            "Required parameter not provided", "parameter value is null", "required", instance.range
        )
        return NullText(), [note]
    if default.deep_marks:
        return NullText(), []
    if not default.is_known:
        return NullText(), [
            warning(
                "Parameter value is unknown, it likely includes a reference without a value",
                f"The default cannot be resolved: {why_unknown(instance.config, 'default')}",
                range=place,
            )
        ]
    if not is_text(default):
        detail = (
            f"The default is a {default.type}; a parameter's value is text. "
            "Use jsonencode([...]) for a list(string) parameter."
        )
        return NullText(), [error("Parameter value is not valid", detail, range=place)]
    return NullText.of(text_of(default)), []


def _read_options(instance: Instance) -> tuple[list[Option], list[Note], bool]:
    """The usable options, what is wrong with the others, and whether any option block exists."""
    options: list[Option] = []
    exist = False
    notes: list[Note] = []
    unresolved: list[str] = []
    for block in instance.config.of_type("option"):
        if block.uncertain:
            continue  # the list is not known: no options yet
        name, value = attribute(block.content, "name"), attribute(block.content, "value")
        exist = True
        missing = [what for what, given in (("name", name), ("value", value)) if given is None]
        if missing:
            summary = f'Missing required attribute "{missing[0]}" for an option of "{instance.address}"'
            detail = f"{missing[0]} is required in each option block."
            notes.append(error(summary, detail, range=block.range))
            continue
        label = text_of(name)
        if label is None:
            summary = f'Invalid "name" attribute for an option of "{instance.address}"'
            notes.append(error(summary, "An option's name must be a known string.", range=block.range))
            continue
        text = NullText.of(text_of(value))
        if not text.valid:
            unresolved.append(label)
        description, icon = optional_text(block.content, "description"), optional_text(block.content, "icon")
        options.append(Option(label, text, description, icon))
    if unresolved:
        notes.append(_unresolved_options(instance, unresolved))
    return options, notes, exist


def _unresolved_options(instance: Instance, names: Sequence[str]) -> Note:
    because = reasons(instance.config.diagnostics)
    unresolved = dict.fromkeys(
        name
        for block in instance.config.of_type("option")
        for name in block.content.unresolved.get("value", ())
    )
    if unresolved:
        because = f"There is no value for {', '.join(unresolved)}. {because}"
    listed = ", ".join(f'"{name}"' for name in names)
    detail = f"The set of options cannot be resolved: the value of {listed} is unknown, sensitive or no text."
    return error(
        f"Parameter contains {len(names)} invalid options",
        f"{detail} {because}".rstrip(),
        range=instance.range,
    )


def _read_rule(block: Block) -> Rule:
    content = block.content
    return Rule(
        min=optional_whole(content, "min"),
        max=optional_whole(content, "max"),
        monotonic=optional_text(content, "monotonic"),
        regex=optional_text(content, "regex"),
        error=optional_text(content, "error"),
    )


def _read_styling(text: str) -> dict[str, str | bool]:
    try:
        written = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    if not isinstance(written, dict):
        return {}
    return {key: written[key] for key, kind in _STYLING.items() if isinstance(written.get(key), kind)}


def _flag_notes(instance: Instance, *, ephemeral: bool, mutable: bool, required: bool) -> list[Note]:
    notes = []
    if ephemeral and not mutable:
        detail = "An ephemeral value changes with each build: set mutable = true."
        notes.append(error("parameter can't be immutable and ephemeral", detail, range=instance.range))
    if ephemeral and required:
        detail = "Nothing is carried over to the next build: give it a default."
        summary = "ephemeral parameter requires the default property"
        notes.append(error(summary, detail, range=instance.range))
    return notes


def _icon_notes(instance: Instance, options: Sequence[Option]) -> list[Note]:
    icons = [("icon", optional_text(instance.config, "icon"))]
    icons += [(f'icon of option "{option.name}"', option.icon) for option in options]
    problems = [(what, url_problem(icon)) for what, icon in icons]
    return [
        error(f"The {what} is not a URL", f"{problem}.", range=place_of(instance, "icon"))
        for what, problem in problems
        if problem
    ]


def _hidden_notes(instance: Instance) -> list[Note]:
    """Sensitive arguments stay in the server; the author is told why the form shows nothing."""
    content = instance.config
    hidden = [name for name in ("default", *_SHOWN_TEXTS) if _is_marked(attribute(content, name))]
    if not hidden:
        return []
    listed = ", ".join(f'"{name}"' for name in hidden)
    detail = f"{listed} derives from a sensitive value, so forms show it empty."
    return [warning("Sensitive value is not shown", detail, range=place_of(instance, hidden[0]))]


def _is_marked(value: Value | None) -> bool:
    return value is not None and value.deep_marks != 0


def duplicate_notes(parameters: Sequence[PreviewParameter], addresses: Sequence[str]) -> list[Note]:
    """One top-level error for each name that more than one block uses."""
    blocks: dict[str, list[int]] = defaultdict(list)
    for index, parameter in enumerate(parameters):
        blocks[parameter.name].append(index)
    return [
        error(
            f'Found {len(found)} duplicate parameters with name "{name}", this is not allowed',
            f"Rename all but one of {', '.join(addresses[index] for index in found)}.",
            range=parameters[found[1]].range,
        )
        for name, found in sorted(blocks.items())
        if len(found) > 1
    ]
