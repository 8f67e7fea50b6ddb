"""The parameters of a template as plain form fields, for browsers without JavaScript. Pure.

With JavaScript `static/js/parameters/` draws the same from the same answers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

PREFIX = "param."
TRUE = frozenset({"true", "1", "t", "T", "TRUE", "True"})
UNSENT_WHEN_DISABLED = frozenset({"radio", "multi-select", "dropdown", "checkbox", "switch"})
SOURCES = {"preset": "from the preset", "url": "from the link", "last": "from your last workspace"}
FOR_AUTHORS = "Invalid parameter value according to"
MAX_INPUTS = 1000
LONGEST_INPUTS = 1_000_000


@dataclass(frozen=True)
class Choice:
    """One option."""

    name: str
    value: str
    description: str
    checked: bool


@dataclass(frozen=True)
class Problem:
    """A diagnostic in one text."""

    severity: str
    text: str


@dataclass(frozen=True)
class Field:
    """What `components/parameter.html` draws."""

    name: str
    key: str
    id: str
    label: str
    description: str
    control: str
    value: str
    marks: tuple[str, ...] = ()
    options: tuple[Choice, ...] = ()
    items: tuple[str, ...] = ()
    caption: str = ""
    placeholder: str = ""
    disabled: bool = False
    masked: bool = False
    numeric: bool = False
    ephemeral: bool = False
    source: str = ""
    problems: tuple[Problem, ...] = ()

    @property
    def checked(self) -> bool:
        """Whether a checkbox or switch is on."""
        return self.value in TRUE

    @property
    def lines(self) -> str:
        """The items of a list, one on each line."""
        return "\n".join(self.items)

    @property
    def offered(self) -> bool:
        """Whether the value is one of the options."""
        return any(choice.checked for choice in self.options)

    @property
    def invalid(self) -> bool:
        return any(problem.severity == "error" for problem in self.problems)

    @property
    def carried(self) -> bool:
        """Whether browsers leave the control out of what they submit although its value counts."""
        return self.disabled and self.control in UNSENT_WHEN_DISABLED

    @property
    def described(self) -> str:
        """Ids of the texts that belong to the control."""
        hint = f"{self.id}-hint" if self.description else ""
        return " ".join(filter(None, (hint, f"{self.id}-problems" if self.problems else "")))


def as_list(text: str) -> list[str]:
    """The texts of a JSON list; anything else is the empty list."""
    try:
        found = json.loads(text or "[]")
    except (ValueError, RecursionError):
        return []
    return [str(item) if item is not None else "" for item in found] if isinstance(found, list) else []


@dataclass(frozen=True)
class Given:
    """A value that did not come from the template. Sources: `user`, `preset`, `url`, `last`, `build`."""

    value: str
    source: str

    def wire(self) -> dict[str, str]:
        """What the script begins with."""
        return {"value": self.value, "source": self.source}


def fields(
    parameters: Sequence[Mapping[str, Any]],
    given: Mapping[str, Given],
    *,
    show_errors: bool,
    refused: Mapping[str, str] | None = None,
    stored: Mapping[str, str] | None = None,
) -> list[Field]:
    """Fields for an answer of the renderer. Errors of values nobody typed show only after an attempt.

    ``stored`` are the values of an existing workspace: immutable ones among them cannot be edited.
    """
    made = []
    for number, parameter in enumerate(parameters):
        name = str(parameter["name"])
        show = show_errors or name in given
        fixed = name in (stored or {}) and not parameter.get("mutable")
        refusal = (refused or {}).get(name, "")
        made.append(_field(number, parameter, given.get(name), show=show, refused=refusal, fixed=fixed))
    return made


def _field(
    number: int, parameter: Mapping[str, Any], given: Given | None, *, show: bool, refused: str, fixed: bool
) -> Field:
    name = str(parameter["name"])
    value = given.value if given else text_of(parameter.get("value"))
    styling = parameter.get("styling") or {}
    chosen = set(as_list(value)) if parameter["form_type"] == "multi-select" else {value}
    return Field(
        name=name,
        key=f"{PREFIX}{name}",
        id=f"parameter-{number}",
        label=parameter.get("display_name") or name,
        description=parameter.get("description") or "",
        control="input" if parameter["form_type"] == "slider" else str(parameter["form_type"]),
        value=value,
        marks=_marks(parameter, fixed=fixed),
        options=tuple(
            Choice(
                str(option["name"]),
                text_of(option.get("value")),
                option.get("description") or "",
                text_of(option.get("value")) in chosen,
            )
            for option in parameter.get("options") or ()
            if (option.get("value") or {}).get("valid")
        ),
        items=tuple(as_list(value)) if parameter["form_type"] == "tag-select" else (),
        caption=styling.get("label") or "",
        placeholder=styling.get("placeholder") or "",
        disabled=fixed or bool(styling.get("disabled")),
        masked=bool(styling.get("mask_input")),
        numeric=parameter.get("type") == "number",
        ephemeral=bool(parameter.get("ephemeral")),
        source=SOURCES.get(given.source, "") if given else "",
        problems=_problems(parameter, show=show, refused=refused),
    )


def text_of(value: Any) -> str:
    """The text of `{"value", "valid"}`; what is not valid means nothing."""
    return str(value["value"]) if isinstance(value, Mapping) and value.get("valid") else ""


def words_of(note: Mapping[str, Any]) -> str:
    """A diagnostic for the person who fills the form in: what is told to template authors stays away."""
    summary, detail = str(note.get("summary") or ""), str(note.get("detail") or "")
    if (note.get("extra") or {}).get("code") == "required":
        return "A value is required."
    if summary.startswith(FOR_AUTHORS) and detail:
        return detail[0].upper() + detail[1:]
    return ": ".join(filter(None, (summary, detail)))


def _marks(parameter: Mapping[str, Any], *, fixed: bool) -> tuple[str, ...]:
    marks = (
        ("required", parameter.get("required")),
        ("fixed at creation", fixed),
        ("cannot be changed later", not fixed and not parameter.get("mutable")),
        ("for this start only", parameter.get("ephemeral")),
    )
    return tuple(text for text, wanted in marks if wanted)


def _problems(parameter: Mapping[str, Any], *, show: bool, refused: str) -> tuple[Problem, ...]:
    found = [
        Problem(str(note["severity"]), words_of(note))
        for note in parameter.get("diagnostics") or ()
        if show or note["severity"] != "error"
    ]
    told = any(str(note.get("summary")) in refused for note in parameter.get("diagnostics") or () if show)
    if refused and not told:
        found.append(Problem("error", refused))
    return tuple(found)


def read_inputs(post: QueryDict) -> dict[str, str]:
    """The values of a form or of a link to it (`?param.NAME=VALUE`): those the script collected, else those
    of the plain fields."""
    collected = post.get("inputs", "")
    if collected:
        return _collected(collected)
    values: dict[str, str] = {}
    for key in list(post)[: MAX_INPUTS * 2]:
        if key.startswith(PREFIX) and not key.endswith((":list", ":lines")):
            values[key.removeprefix(PREFIX)] = str(post[key])
    for key in list(post)[: MAX_INPUTS * 2]:
        if key.startswith(PREFIX) and key.endswith(":list"):
            field = key.removesuffix(":list")
            values[field.removeprefix(PREFIX)] = json.dumps(post.getlist(field))
        elif key.startswith(PREFIX) and key.endswith(":lines"):
            field = key.removesuffix(":lines")
            lines = [line.strip() for line in post.get(field, "").splitlines()]
            values[field.removeprefix(PREFIX)] = json.dumps([line for line in lines if line])
    return values


def edited_names(post: QueryDict, inputs: Mapping[str, str]) -> set[str]:
    """The names whose values are the person's own; without the script that is every one of them."""
    text = post.get("edited", "")
    if not text or len(text) > LONGEST_INPUTS:
        return set(inputs)
    try:
        found = json.loads(text)
    except ValueError:
        return set(inputs)
    return {name for name in found if isinstance(name, str)} if isinstance(found, list) else set(inputs)


def _collected(text: str) -> dict[str, str]:
    if len(text) > LONGEST_INPUTS:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(name): value for name, value in found.items() if isinstance(value, str)}
