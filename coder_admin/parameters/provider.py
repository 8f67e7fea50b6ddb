"""The values that a render gives to Coder's own blocks and to data sources (reference 4.2, 4.4, 4.7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from coder_admin.parameters.memo import Memo, input_of
from coder_admin.parameters.owner import DEFAULT_OWNER, Owner
from coder_admin.parameters.plan import EMPTY_PLAN, PlanData, merged
from coder_admin.parameters.reading import has_value, is_text
from coder_admin.terraform import BlockContent, Instance, Provider
from coder_admin.terraform.types import BOOL, NUMBER, STRING, Type
from coder_admin.terraform.values import Value, boolean, object_, string, to_text, tuple_, unknown

_PARAMETER_TEXTS = {
    "display_name": string(""),
    "description": string(""),
    "type": string("string"),
    "form_type": string(""),
    "styling": string("{}"),
    "icon": string(""),
}
_WORKSPACE: dict[str, Type] = {
    "access_port": NUMBER,
    "access_url": STRING,
    "id": STRING,
    "is_prebuild": BOOL,
    "is_prebuild_claim": BOOL,
    "name": STRING,
    "prebuild_count": NUMBER,
    "start_count": NUMBER,
    "template_id": STRING,
    "template_name": STRING,
    "template_version": STRING,
    "transition": STRING,
}


@dataclass(frozen=True)
class Surroundings:
    """What is known of the workspace before there is one; the rest of ``coder_workspace`` is unknown."""

    access_url: str = ""
    template_id: str = ""
    template_name: str = ""
    template_version: str = ""

    def value(self) -> Value:
        known = {name: string(text) for name, text in vars(self).items() if text}
        return object_({name: known.get(name, unknown(kind)) for name, kind in _WORKSPACE.items()})


NOTHING_KNOWN = Surroundings()


@dataclass(frozen=True)
class FormProvider:
    """Answers for one render: the inputs decide parameters, the owner and the plan the rest.

    The inputs must not change afterwards: the next render compares its own with them.
    """

    inputs: Mapping[str, str] = field(default_factory=dict)
    owner: Owner = DEFAULT_OWNER
    plan: PlanData = EMPTY_PLAN
    surroundings: Surroundings = NOTHING_KNOWN
    memo: Memo[dict[str, Value], Value] = field(default_factory=Memo)

    def data(self, instance: Instance) -> Value | None:
        match instance.type:
            case "coder_parameter":
                content = instance.config
                given = input_of(content, self.inputs)
                return self.memo.answer(
                    instance.address,
                    content,
                    given,
                    lambda: _written_parameter(content),
                    lambda written: _parameter(content, written, given),
                )
            case "coder_workspace_owner":
                return self.owner.value
            case "coder_workspace":
                return self.surroundings.value()
        if instance.type.startswith("coder_"):
            return None
        # Without plan data a data source is only what its block says; asking for more is an error that
        # try() and can() catch, as authors rely on.
        written = _written(instance.config)
        planned = self.plan.of(instance.module_path, instance.type, instance.name, instance.key)
        return merged(written, planned) if planned is not None else written

    def resource(self, instance: Instance) -> Value | None:
        return None

    def same_answer(self, previous: Provider, instance: Instance) -> bool:
        """Whether the instance is answered as ``previous`` did: what makes a keystroke cheap."""
        if not isinstance(previous, FormProvider) or previous.plan is not self.plan:
            return False
        match instance.type:
            case "coder_parameter":
                content = instance.config
                return input_of(content, self.inputs) == input_of(content, previous.inputs)
            case "coder_workspace_owner":
                return self.owner == previous.owner
            case "coder_workspace":
                return self.surroundings == previous.surroundings
        return True


def _written(content: BlockContent) -> Value:
    values = dict(content.attributes)
    for kind in {block.type for block in content.blocks}:
        values.setdefault(kind, tuple_([_written(block.content) for block in content.of_type(kind)]))
    return object_(values)


def _written_parameter(content: BlockContent) -> dict[str, Value]:
    """The attributes of a ``coder_parameter`` that its block decides alone."""
    default = content.attributes.get("default")
    values: dict[str, Value] = {**_PARAMETER_TEXTS, **content.attributes}
    values["id"] = unknown(STRING)
    values["optional"] = boolean(default is not None and not default.is_null)
    values["option"] = tuple_([_option(b.content) for b in content.of_type("option") if not b.uncertain])
    values["validation"] = tuple_([_written(block.content) for block in content.of_type("validation")])
    return values


def _parameter(content: BlockContent, written: Mapping[str, Value], given: str | None) -> Value:
    """What references to a ``coder_parameter`` see. ``value`` is always text, as in Terraform; it is not
    there at all while a required parameter has no input, so that try() finds its fallback."""
    value = None if "value" in written else effective_value(content, given)
    return object_(written if value is None else {**written, "value": value})


def effective_value(content: BlockContent, given: str | None) -> Value | None:
    """Input, else default as text; unknown while unresolved; None when there is neither (4.2)."""
    name, default = content.attributes.get("name"), content.attributes.get("default")
    if name is None or not has_value(name) or name.type is not STRING:
        return unknown(STRING)
    if given is not None:
        return string(given)
    if default is None or default.is_null:
        return None
    return string(to_text(default)).with_marks(default.deep_marks) if is_text(default) else unknown(STRING)


def _option(content: BlockContent) -> Value:
    empty = string("")
    given = {name: content.attributes.get(name, empty) for name in ("name", "value", "description", "icon")}
    return object_({name: _as_text(value) for name, value in given.items()})


def _as_text(value: Value) -> Value:
    if value.type is STRING:
        return value
    if is_text(value):
        return string(to_text(value)).with_marks(value.deep_marks)
    return value if value.is_null else unknown(STRING)
