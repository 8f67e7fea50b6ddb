"""Reading a ``coder_workspace_preset`` block and matching presets (reference dynamic-parameters 7, 10.2)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from coder_admin.parameters import gotext
from coder_admin.parameters.blocks import UnreadableBlockError, required_name
from coder_admin.parameters.cron import cron_problem, timezone_problem
from coder_admin.parameters.model import Note, Output, Preset, PresetPrebuilds, Schedule, error, warning
from coder_admin.parameters.reading import attribute, has_value, optional_flag, place_of, reasons, text_of
from coder_admin.parameters.urls import url_problem
from coder_admin.terraform import Block, BlockContent, Instance, Range
from coder_admin.terraform.types import NUMBER
from coder_admin.terraform.values import Value, to_python

DESCRIPTION_LIMIT = 128
ICON_LIMIT = 256
TTL_RANGE = range(3600, 31_536_000 + 1)


class _Reader:
    """Collects what is wrong with one preset while its parts are read."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.notes: list[Note] = []

    def refuse(self, summary: str, detail: str, place: Range | None = None) -> None:
        self.notes.append(error(summary, detail, range=place or self.instance.range))

    def open_value(self, summary: str, detail: str, place: Range) -> None:
        """A value that is not known: people may fill it in, but a pool cannot be built without it."""
        pooled = any(True for _ in self.instance.config.of_type("prebuilds"))
        made = error if pooled else warning
        self.notes.append(made(summary, detail, range=place))

    def only(self, content: BlockContent, kind: str, owner: str) -> Block | None:
        blocks = list(content.of_type(kind))
        if len(blocks) > 1:
            self.refuse(f"At most 1 {kind} block is allowed in {owner}", "Merge them.", blocks[1].range)
        return blocks[0] if blocks else None

    def whole(self, block: Block, name: str) -> int | None:
        """A required whole number; what is wrong with it is noted."""
        value = attribute(block.content, name)
        place = _place(block, name)
        if value is None or (value.is_known and value.is_null):
            self.refuse(
                f"{name} is required in {block.type}", f"Add {name} to the {block.type} block.", place
            )
            return None
        number = _whole(value)
        if number is None:
            found = "a value that is not known at import" if not value.is_known else f"a {value.type}"
            self.refuse(f"{name}: a number is required", f"{block.type}.{name} is {found}.", place)
        return number

    def text(self, block: Block, name: str) -> str | None:
        """A required text; what is wrong with it is noted."""
        value = attribute(block.content, name)
        place = _place(block, name)
        if value is None or (value.is_known and value.is_null):
            summary = f"a required argument is missing: {name} is required in {block.type}"
            self.refuse(summary, f"Add {name} to the {block.type} block.", place)
            return None
        text = text_of(value)
        if text is None:
            self.refuse(f"{name}: a string is required", f"{block.type}.{name} cannot be resolved.", place)
        return text


def _whole(value: Value) -> int | None:
    """A number, or a text that is one, as Terraform converts it; None for fractions and the rest."""
    if not has_value(value) or value.deep_marks:
        return None
    if value.type is NUMBER:
        number = to_python(value)
        return number if isinstance(number, int) else None
    text = text_of(value)
    return gotext.parse_whole(text) if text is not None and text not in ("true", "false") else None


def read_preset(instance: Instance) -> Preset:
    """The preset with everything that is wrong with it; a preset without a usable name is called ""."""
    reader, content = _Reader(instance), instance.config
    try:
        name = required_name(instance)
    except UnreadableBlockError as unreadable:
        reader.notes.append(unreadable.note)
        name = ""
    else:
        if not name:
            reader.refuse(
                "The preset's name must not be empty", "Give it a name.", place_of(instance, "name")
            )
    description = _limited(reader, "description", DESCRIPTION_LIMIT)
    icon = _limited(reader, "icon", ICON_LIMIT)
    if problem := url_problem(icon):
        reader.refuse("The preset's icon is not a URL", f"{problem}.", place_of(instance, "icon"))
    parameters = _read_parameters(reader, attribute(content, "parameters"))
    prebuilds = reader.only(content, "prebuilds", "a preset")
    return Preset(
        name=name,
        parameters=parameters,
        default=optional_flag(content, "default"),
        description=description,
        icon=icon,
        prebuilds=_read_prebuilds(reader, prebuilds) if prebuilds else None,
        diagnostics=tuple(reader.notes),
        range=instance.range,
    )


def _limited(reader: _Reader, name: str, limit: int) -> str:
    text = text_of(attribute(reader.instance.config, name)) or ""
    if len(text) > limit:
        detail = f"It has {len(text)} characters, at most {limit} are allowed."
        reader.refuse(f"The preset's {name} is too long", detail, place_of(reader.instance, name))
    return text


def _read_parameters(reader: _Reader, value: Value | None) -> dict[str, str]:
    if value is None or not has_value(value):
        return {}
    place = place_of(reader.instance, "parameters")
    if not isinstance(value.data, dict):
        detail = f'parameters is a {value.type}: write parameters = {{ name = "value" }}.'
        reader.refuse("parameters: map of string required", detail, place)
        return {}
    if value.marks:
        reader.refuse("parameters: map of string required", "It is sensitive and must not be shown.", place)
        return {}
    parameters = {}
    for name, item in value.data.items():
        text = text_of(item)
        if text is not None:
            parameters[name] = text
        elif not item.is_known:
            because = reasons(reader.instance.config.diagnostics)
            detail = f"The value of {name} cannot be resolved{': ' if because else '.'}{because}"
            reader.open_value(f"Preset parameter {name} has no value", detail, place)
        elif not item.is_null:
            found = "a sensitive value" if item.deep_marks else f"a {item.type}"
            detail = f"{name} is {found}; a parameter's value is a text that may be shown."
            reader.refuse("parameters: map of string required", detail, place)
    return parameters


def _read_prebuilds(reader: _Reader, block: Block) -> PresetPrebuilds:
    instances = reader.whole(block, "instances")
    if instances is not None and instances < 0:
        reader.refuse("instances must be 0 or more", f"It is {instances}.", _place(block, "instances"))
    ttl = _read_ttl(reader, reader.only(block.content, "expiration_policy", "prebuilds"))
    scheduling = reader.only(block.content, "scheduling", "prebuilds")
    timezone, schedules = _read_scheduling(reader, scheduling) if scheduling else ("", ())
    place = scheduling.range if scheduling else block.range
    return PresetPrebuilds(max(instances or 0, 0), ttl, timezone, schedules, place)


def _read_ttl(reader: _Reader, block: Block | None) -> int | None:
    ttl = reader.whole(block, "ttl") if block else None
    if block and ttl is not None and ttl != 0 and ttl not in TTL_RANGE:
        detail = f"It is {ttl}; a ttl counts seconds."
        reader.refuse(
            f"ttl must be 0 or {TTL_RANGE.start} to {TTL_RANGE.stop - 1}", detail, _place(block, "ttl")
        )
    return ttl


def _read_scheduling(reader: _Reader, block: Block) -> tuple[str, tuple[Schedule, ...]]:
    timezone = reader.text(block, "timezone")
    if timezone is not None and (problem := timezone_problem(timezone)):
        summary = "The timezone of the schedules cannot be used"
        reader.refuse(summary, f"{problem}.", _place(block, "timezone"))
    schedules = []
    for entry in block.content.of_type("schedule"):
        cron, instances = reader.text(entry, "cron"), reader.whole(entry, "instances")
        if cron is not None and (problem := cron_problem(cron)):
            summary = "The cron expression of a schedule cannot be used"
            reader.refuse(summary, f"{problem}.", _place(entry, "cron"))
        if instances is not None and instances < 0:
            summary = "The instances of a schedule must be 0 or more"
            reader.refuse(summary, f"It is {instances}.", _place(entry, "instances"))
        if cron is not None and instances is not None:
            schedules.append(Schedule(cron, instances))
    if not any(True for _ in block.content.of_type("schedule")):
        detail = "scheduling needs at least 1 schedule block."
        reader.refuse("a required argument is missing: schedule", detail, block.range)
    return timezone or "", tuple(schedules)


def _place(block: Block, name: str) -> Range:
    """Where an attribute of a nested block stands."""
    return block.content.ranges.get(name, block.range)


def with_single_default(presets: Sequence[Preset]) -> tuple[Preset, ...]:
    """The presets, each default after the first refused."""
    first: Preset | None = None
    result = []
    for preset in presets:
        if preset.default and first is not None:
            detail = f'Preset "{first.name}" is the default already: only one may have default = true.'
            result.append(preset.noting(error("Multiple default presets", detail, range=preset.range)))
            continue
        if preset.default:
            first = preset
        result.append(preset)
    return tuple(result)


class Render(Protocol):
    """Renders the template once more, with other inputs."""

    def __call__(self, inputs: Mapping[str, str]) -> Output: ...


def validated(presets: Iterable[Preset], render: Render) -> tuple[Preset, ...]:
    """The presets, those with prebuilds judged as a set by rendering with exactly their values (7.2)."""
    return tuple(
        _validated(preset, render)
        if preset.prebuilds and preset.prebuilds.instances > 0 and not preset.errors
        else preset
        for preset in presets
    )


def _validated(preset: Preset, render: Render) -> Preset:
    output = render(preset.parameters)
    if output.errors:
        return preset.noting(*output.errors)
    found = {parameter.name for parameter in output.parameters}
    notes = [
        error(
            "Undefined Parameter",
            f'Preset parameter "{name}" is not defined by the template.',
            range=preset.range,
        )
        for name in preset.parameters
        if name not in found
    ]
    for parameter in output.parameters:
        notes += [
            error(f"Parameter {parameter.name}: {note.summary}", note.detail, note.code, preset.range)
            for note in parameter.errors
        ]
    return preset.noting(*notes)


_P = TypeVar("_P", bound="HasParameters")


class HasParameters(Protocol):
    """A preset as it is stored or rendered."""

    @property
    def name(self) -> str: ...

    @property
    def default(self) -> bool: ...

    @property
    def parameters(self) -> Mapping[str, str]: ...


def matching(presets: Iterable[_P], values: Mapping[str, str]) -> _P | None:
    """The preset that a build's final values amount to: the one with most parameters, all equal.

    Ties: the default preset, then the first name. A preset without parameters matches everything (7.3).
    """
    fitting = [
        preset
        for preset in presets
        if all(values.get(name) == text for name, text in preset.parameters.items())
    ]
    return min(fitting, key=lambda p: (-len(p.parameters), not p.default, p.name), default=None)
