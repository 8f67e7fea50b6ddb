"""Planning a module: what each of its instances wants against what the state says exists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from coder_admin.provisioning.engines.base import CheckCanceled, EngineError, EngineRequest, never_canceled
from coder_admin.terraform import Diagnostic, EvalContext, Instance, Module, Range, evaluate, load_module
from coder_admin.terraform.values import Value, object_, unknown

from .changes import Action, Change, change_of, decide, trigger_hashes, triggered
from .resource import Call, ResourceError, ResourceType, Values
from .schema import Schema, conform, mark
from .secrets import Mask
from .sources import DATA_SOURCES, DataSource
from .state import State
from .types import RESOURCE_TYPES

MOST_SHOWN = 5  # diagnostics in one error message; all of them are in the log
SETTING = "CODER_ADMIN_ENGINE"


@dataclass
class Planned:
    """The embedded engine's own plan: changes by address in the order of dependencies, deletions last."""

    changes: dict[str, Change] = field(default_factory=dict)
    outputs: Mapping[str, Value] = field(default_factory=dict)
    warnings: list[Diagnostic] = field(default_factory=list)
    state: State = field(default_factory=State)
    read: Mapping[str, tuple[Instance, Value]] = field(default_factory=dict)  # data sources, by address


class Planner:
    """Answers the evaluation's questions with what would be, and notes down each decision."""

    def __init__(
        self,
        request: EngineRequest,
        state: State,
        mask: Mask,
        now: datetime,
        check_canceled: CheckCanceled = never_canceled,
    ) -> None:
        self._request = request
        self._state = state
        self._mask = mask
        self._now = now
        self._check_canceled = check_canceled
        self.changes: dict[str, Change] = {}
        self.read: dict[str, tuple[Instance, Value]] = {}
        self._closures: dict[str, frozenset[str]] = {}  # instance to all that it depends on
        self._managed: set[str] = set()

    def data(self, instance: Instance) -> Value | None:
        self._check_canceled()
        self._close(instance)
        source = DATA_SOURCES.get(instance.type)
        if source is None:
            instance.diagnostics.append(unsupported(f"data source {instance.type}", instance.range))
            return None
        config = conform(
            instance.config, source.schema, place=instance.range, diagnostics=instance.diagnostics
        )
        if self._must_wait(instance, config):
            self.changes[instance.address] = change_of(instance, Action.READ)
            return deferred(source.schema, config)
        value = read_source(source, self._request, instance, config)
        self.read[instance.address] = (instance, value)
        return value

    def _must_wait(self, instance: Instance, config: Values) -> bool:
        """Whether the source can only be read during the apply, as Terraform decides it."""
        if not all(value.is_wholly_known for value in config.values()):
            return True
        # Coder's facts of the build depend on nothing that a build changes.
        if instance.type.startswith("coder_"):
            return False
        before = self._closures[instance.address]
        pending = (self.changes[a].action for a in before if a in self.changes)
        return any(action is not Action.NO_OP for action in pending)

    def _close(self, instance: Instance) -> None:
        """Note all that an instance depends on; what it names itself has been noted before it."""
        named = instance.depends_on
        self._closures[instance.address] = frozenset(named).union(*(self._closures[a] for a in named))

    def resource(self, instance: Instance) -> Value | None:
        self._check_canceled()
        self._close(instance)
        self._managed.add(instance.address)
        kind = RESOURCE_TYPES.get(instance.type)
        if kind is None:
            instance.diagnostics.append(unsupported(f"resource type {instance.type}", instance.range))
            return None
        try:
            change = self._plan(instance, kind)
        except ResourceError as error:
            instance.diagnostics.append(problem(instance, str(error)))
            return None
        self.changes[instance.address] = change
        if change.destroys and instance.lifecycle.prevent_destroy:
            instance.diagnostics.append(prevented(instance.address, instance.range))
        return change.after

    def _plan(self, instance: Instance, kind: ResourceType) -> Change:
        config = configuration(instance, kind)
        prior, gone = self._existing(instance, kind)
        call = self._call(instance, planned=config, prior=dict(prior.data) if prior is not None else {})
        known = self._state.resources.get(instance.address)
        triggers = trigger_hashes(instance.lifecycle.replace_triggered_by)
        decision = decide(
            kind,
            config,
            call,
            ignore=instance.lifecycle.ignore_changes,
            triggered=known is not None and triggered(known.triggers, triggers),
        )
        self._mask.learn(decision.after.values())
        return change_of(
            instance,
            decision.action,
            before=prior,
            after=object_(decision.after),
            replace_paths=decision.replace_paths,
            reason="replace_because_gone" if gone else decision.reason,
            dependencies=tuple(sorted(a for a in self._closures[instance.address] if a in self._managed)),
            create_before_destroy=instance.lifecycle.create_before_destroy,
            triggers=triggers,
        )

    def _existing(self, instance: Instance, kind: ResourceType) -> tuple[Value | None, bool]:
        """What the state says, if it is still there; and whether it is not."""
        known = self._state.resources.get(instance.address)
        prior = known.value(kind.schema.type) if known is not None else None
        if prior is None:
            return None, False
        self._mask.learn([prior])
        if kind.exists(self._call(instance, planned={}, prior=dict(prior.data))):
            return prior, False
        return None, True

    def _call(self, instance: Instance, *, planned: Values, prior: Values) -> Call:
        return Call(self._request, instance.address, instance.name, self._now, planned, prior)


def plan_module(
    request: EngineRequest,
    module: Module,
    state: State,
    mask: Mask,
    *,
    now: datetime,
    check_canceled: CheckCanceled = never_canceled,
) -> Planned:
    """The plan, or EngineError with what is wrong, where. Ends with what `check_canceled` raises."""
    planner = Planner(request, state, mask, now, check_canceled)
    evaluation = evaluate(
        module,
        variables=request.variables,
        provider=planner,
        context=EvalContext(workspace="default", strict=True, look=check_canceled),
    )
    refuse(evaluation.diagnostics, mask)
    changes = dict(planner.changes)
    for address in _force_order(changes):
        changes[address] = replace(changes[address], create_before_destroy=True)
    changes.update(deletions(state, keep=changes, mask=mask, declared=declared(module)))
    warnings = [d for d in evaluation.diagnostics if not d.is_error]
    mask.learn(evaluation.outputs.values())
    return Planned(changes, evaluation.outputs, warnings, state, planner.read)


def load(request: EngineRequest) -> Module:
    """The template's root module; EngineError when it cannot be read or needs types that are not built in."""
    module = load_module(request.source)
    refuse(module.diagnostics, Mask())
    for block in module.resources:
        table = DATA_SOURCES if block.mode == "data" else RESOURCE_TYPES
        if block.type not in table:
            what = "data source" if block.mode == "data" else "resource type"
            refuse([unsupported(f"{what} {block.type}", block.range)], Mask())
    return module


def declared(module: Module) -> frozenset[tuple[str, str]]:
    """Type and name of the managed resources that the root module has."""
    return frozenset((block.type, block.name) for block in module.resources if block.mode == "managed")


def deletions(
    state: State, *, keep: Iterable[str], mask: Mask, declared: frozenset[tuple[str, str]]
) -> dict[str, Change]:
    """What the state has and the configuration no longer wants, dependants first."""
    wanted = frozenset(keep)
    leaving = [r for r in state.resources.values() if r.address not in wanted and r.attributes is not None]
    found: dict[str, Change] = {}
    # A resource depends on everything that its dependencies depend on, so who has more is destroyed earlier.
    for resource in sorted(leaving, key=lambda r: len(r.dependencies), reverse=True):
        kind = RESOURCE_TYPES.get(resource.type)
        if kind is None:
            refuse([unsupported(f"resource type {resource.type} (in the state)", None)], mask)
            continue
        before = resource.value(kind.schema.type)
        if before is not None:
            mask.learn([before])
        still = not resource.module and (resource.type, resource.name) in declared
        if resource.prevent_destroy and still:
            refuse([prevented(resource.address, None)], mask)
        found[resource.address] = Change(
            address=resource.address,
            mode="managed",
            type=resource.type,
            name=resource.name,
            module=resource.module,
            key=resource.key,
            action=Action.DELETE,
            before=before,
            reason=_why_deleted(resource.key, still),
            dependencies=resource.dependencies,
            create_before_destroy=resource.create_before_destroy,
        )
    return found


def _why_deleted(key: int | str | None, still_declared: bool) -> str:
    if not still_declared:
        return "delete_because_no_resource_config"
    if isinstance(key, int):
        return "delete_because_count_index"
    return "delete_because_each_key" if isinstance(key, str) else "delete_because_wrong_repetition"


def _force_order(changes: Mapping[str, Change]) -> set[str]:
    """What create_before_destroy asks of the dependencies: they must not be destroyed first either."""
    return {
        address
        for change in changes.values()
        if change.create_before_destroy
        for address in change.dependencies
        if address in changes and not changes[address].create_before_destroy
    }


def configuration(instance: Instance, kind: ResourceType) -> dict[str, Value]:
    """The instance's arguments as its type wants them; what is wrong is added to its diagnostics."""
    before = len(instance.diagnostics)
    config = conform(instance.config, kind.schema, place=instance.range, diagnostics=instance.diagnostics)
    if len(instance.diagnostics) == before and (complaint := kind.check(config)):
        instance.diagnostics.append(problem(instance, complaint))
    return mark(config, kind.schema)


def read_source(source: DataSource, request: EngineRequest, instance: Instance, config: Values) -> Value:
    """The data source's object; trouble with reading becomes the instance's diagnostic."""
    from .completion import complete

    try:
        found = source.read(request, instance.name, config)
    except ResourceError as error:
        instance.diagnostics.append(problem(instance, str(error)))
        return deferred(source.schema, config)
    return complete(source.schema, config, found)


def deferred(schema: Schema, config: Values) -> Value:
    """What is known of a data source that is not read yet."""
    values = dict(config)
    for name, attribute in schema.attributes.items():
        if attribute.computed:
            values[name] = unknown(attribute.type)
    return object_(mark(values, schema))


def unsupported(what: str, where: Range | None) -> Diagnostic:
    return Diagnostic(
        "error",
        f"The embedded engine has no {what}",
        f"Set {SETTING}=terraform to build this template with Terraform, which fetches its providers.",
        where,
        "unsupported",
    )


def prevented(address: str, where: Range | None) -> Diagnostic:
    detail = f"{address} has lifecycle.prevent_destroy set, but the plan would destroy it."
    return Diagnostic("error", "Instance cannot be destroyed", detail, where, "prevent_destroy")


def problem(instance: Instance, text: str) -> Diagnostic:
    return Diagnostic("error", f"{instance.address} cannot be built", text, instance.range, "resource")


def refuse(diagnostics: Iterable[Diagnostic], mask: Mask) -> None:
    """EngineError when one of them is an error: the first few, each with its place."""
    errors = [mask.hide(str(d)) for d in diagnostics if d.is_error]
    if not errors:
        return
    more = f"\n… and {len(errors) - MOST_SHOWN} more errors" if len(errors) > MOST_SHOWN else ""
    raise EngineError("\n".join(errors[:MOST_SHOWN]) + more)
