"""Carrying out a plan: destroy what goes, make and change in the order of dependencies, keep the state.

Order: what is replaced or removed is destroyed first, dependants before what they depend on; then everything
is made or changed; objects replaced by ``create_before_destroy`` are destroyed last. After each step the
state is written to the journal, so that a kill at any instant loses no resource.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from coder_admin.provisioning.engines.base import CheckCanceled, EngineRequest, LogFunction, Step
from coder_admin.terraform import Budget, EvalContext, Instance, Module, evaluate
from coder_admin.terraform.values import Value, to_python

from .changes import Action, Change, decide, trigger_hashes
from .completion import complete
from .planner import Planned, configuration, read_source
from .resource import Call, ResourceError, ResourceType, Values
from .schema import conform
from .secrets import Mask
from .sources import DATA_SOURCES
from .state import Deposed, Journal, Resource, State
from .types import RESOURCE_TYPES

T = TypeVar("T")

LONGEST = 24 * 3600.0  # seconds of one apply; the job's own limits end it earlier
SLICE = 0.2  # seconds between looks at the cancel flag while a resource waits


class Applier:
    """One apply. ``state`` is what exists at any moment; ``errors`` what went wrong so far."""

    def __init__(
        self,
        request: EngineRequest,
        planned: Planned,
        *,
        log: LogFunction,
        stage: str,
        check_canceled: CheckCanceled,
        mask: Mask,
    ) -> None:
        self.state: State = planned.state
        self.errors: list[str] = []
        self.canceled: BaseException | None = None
        self.steps: list[Step] = []
        self._request = request
        self._planned = planned
        self._log = mask.log(log)
        self._stage = stage
        self._check_canceled = check_canceled
        self._mask = mask
        self._journal = Journal(request.workdir)
        self._failed: set[str] = set()

    def run(self, module: Module | None) -> None:
        """Carry out everything that can be; never raises for what a resource or a cancel does."""
        changes = self._planned.changes.values()
        self._destroy(c for c in changes if c.destroys and not c.create_before_destroy)
        if module is not None and not self._request.destroy:
            self._make(module)
        self._destroy(c for c in changes if c.action is Action.DELETE and c.create_before_destroy)
        self._destroy_deposed()
        if not self.state.resources and not self.errors:
            self._journal.clear()

    # Making and changing

    def _make(self, module: Module) -> None:
        now, budget = datetime.now(UTC), Budget(seconds=LONGEST)
        try:
            evaluation = evaluate(
                module,
                variables=self._request.variables,
                provider=self,
                context=EvalContext(strict=True, now=now, budget=budget, look=self._look),
            )
        except Exception as error:
            if error is not self.canceled:
                raise
            return
        if self.canceled is None and not self._failed:
            self.errors += [self._mask.hide(str(d)) for d in evaluation.diagnostics if d.is_error]
        self._mask.learn(evaluation.outputs.values())
        self.state = replace(self.state, outputs=_outputs(evaluation.outputs))

    def data(self, instance: Instance) -> Value | None:
        source = DATA_SOURCES.get(instance.type)
        if source is None or self._skips(instance):
            return None
        config = conform(
            instance.config, source.schema, place=instance.range, diagnostics=instance.diagnostics
        )
        value = read_source(source, self._request, instance, config)
        self._note_trouble(instance)
        return value

    def resource(self, instance: Instance) -> Value | None:
        change = self._planned.changes.get(instance.address)
        kind = RESOURCE_TYPES.get(instance.type)
        if change is None or kind is None or self._skips(instance):
            return None
        config = configuration(instance, kind)
        if self._note_trouble(instance):
            return None
        if change.action is Action.NO_OP:
            self._refresh_metadata(instance, change)
            return change.before
        word = "update" if change.action is Action.UPDATE else "create"
        return self._attempt(change.address, word, lambda: self._carry_out(instance, kind, change, config))

    def _skips(self, instance: Instance) -> bool:
        """Whether the instance cannot be done: canceled, or something it depends on failed."""
        if self._is_to_end() or self._failed.intersection(instance.depends_on):
            self._failed.add(instance.address)
            return True
        return False

    def _note_trouble(self, instance: Instance) -> bool:
        """Takes what is wrong with the instance's arguments now that all is known."""
        errors = [self._mask.hide(str(d)) for d in instance.diagnostics if d.is_error]
        if errors:
            self._fail(instance.address, "\n".join(errors))
        return bool(errors)

    def _carry_out(
        self, instance: Instance, kind: ResourceType, change: Change, config: dict[str, Value]
    ) -> Value:
        prior: Values = dict(change.before.data) if change.before is not None else {}
        call = self._call(change, planned=config, prior=prior)
        replacing = change.action is Action.REPLACE  # what is ignored keeps its value in the new object too
        decision = decide(kind, config, call, ignore=instance.lifecycle.ignore_changes, triggered=replacing)
        self._mask.learn(decision.after.values())
        call = replace(call, planned=decision.after)
        updating = change.action is Action.UPDATE
        made = kind.update(call) if updating else kind.create(replace(call, prior={}))
        value = complete(kind.schema, decision.after, made)
        self._mask.learn([value])
        self._keep(instance, kind, change, value)
        return value

    def _keep(self, instance: Instance, kind: ResourceType, change: Change, value: Value) -> None:
        """The state after the step, durable before anything else happens."""
        known = self.state.resources.get(change.address)
        deposed = known.deposed if known is not None else ()
        if change.action is Action.REPLACE and known is not None and known.attributes is not None:
            old = Deposed(uuid.uuid4().hex[:8], known.attributes, known.dependencies)
            deposed = (*deposed, old)
        bare = Resource(change.address, change.type, change.name, change.module, change.key, deposed=deposed)
        resource = _noted(bare, instance, change).with_value(value, kind.schema.type)
        self.state = self.state.put(resource)
        self._journal.write(self.state)

    def _refresh_metadata(self, instance: Instance, change: Change) -> None:
        known = self.state.resources[change.address]
        fresh = _noted(known, instance, change)
        if fresh != known:
            self.state = self.state.put(fresh)

    # Destroying

    def _destroy(self, changes: Iterable[Change]) -> None:
        for change in sorted(changes, key=lambda c: len(c.dependencies), reverse=True):
            resource = self.state.resources.get(change.address)
            if resource is None or resource.attributes is None or self._stopped(change.address):
                continue
            if self._dependants(change.address):
                self._failed.add(change.address)  # something that needs it could not be destroyed
                continue
            self._attempt(change.address, "delete", partial(self._remove, change))

    def _remove(self, change: Change) -> None:
        self._delete(change.address, change.type, change.name, change.before)
        self._forget(replace(self.state.resources[change.address], attributes=None, sensitive=()))

    def _remove_deposed(self, resource: Resource, deposed: Deposed, kind: ResourceType) -> None:
        old = replace(resource, attributes=deposed.attributes).value(kind.schema.type)
        self._delete(resource.address, resource.type, resource.name, old)
        now = self.state.resources[resource.address]
        self._forget(replace(now, deposed=tuple(d for d in now.deposed if d.id != deposed.id)))

    def _dependants(self, address: str) -> bool:
        """Whether something that was to be destroyed before this one is still there."""
        return any(
            address in self._planned.changes[a].dependencies and a in self.state.resources
            for a in self._failed
            if a in self._planned.changes and self._planned.changes[a].destroys
        )

    def _destroy_deposed(self) -> None:
        left = [(r, d) for r in self.state.resources.values() for d in r.deposed]
        for resource, deposed in sorted(left, key=lambda pair: len(pair[1].dependencies), reverse=True):
            kind = RESOURCE_TYPES.get(resource.type)
            if kind is None or self._stopped(f"{resource.address} (deposed {deposed.id})"):
                continue
            self._attempt(resource.address, "delete", partial(self._remove_deposed, resource, deposed, kind))

    def _delete(self, address: str, type_name: str, name: str, before: Value | None) -> None:
        prior = dict(before.data) if before is not None else {}
        call = Call(self._request, address, name, datetime.now(UTC), {}, prior, self._wait)
        RESOURCE_TYPES[type_name].delete(call)

    def _forget(self, resource: Resource) -> None:
        gone = resource.attributes is None and not resource.deposed
        self.state = self.state.drop(resource.address) if gone else self.state.put(resource)
        self._journal.write(self.state)

    def _stopped(self, address: str) -> bool:
        if self._is_to_end():
            self._failed.add(address)
        return self.canceled is not None

    def _is_to_end(self) -> bool:
        if self.canceled is None:
            with suppress(Exception):
                self._look()
        return self.canceled is not None

    def _look(self) -> None:
        """Raises what the cancel check raises, and keeps it: what it said once stays said."""
        if self.canceled is not None:
            raise self.canceled
        try:
            self._check_canceled()
        except Exception as canceled:
            self.canceled = canceled
            raise

    # Steps

    def _attempt(self, address: str, action: str, do: Callable[[], T]) -> T | None:
        """Logs and times one operation; its failure is noted, the others go on."""
        doing, done = _WORDS[action]
        started, clock = datetime.now(UTC), time.monotonic()
        self._log(self._stage, f"{address}: {doing}...")
        try:
            result = do()
        except ResourceError as error:
            self._fail(address, f"{address}: {self._mask.hide(str(error))}")
        except OSError as error:
            self._fail(address, f"{address}: {error.strerror or error}")
        except Exception as error:
            if self.canceled is not error:
                raise
            self._failed.add(address)
        else:
            self.steps.append(Step(address, action, started, datetime.now(UTC)))
            took = f"{time.monotonic() - clock:.0f}s"
            self._log(self._stage, f"{address}: {done} after {took}{self._id(address)}")
            return result
        return None

    def _id(self, address: str) -> str:
        resource = self.state.resources.get(address)
        made = resource.attributes.get("id") if resource is not None and resource.attributes else None
        return f" [id={made}]" if made else ""

    def _fail(self, address: str, text: str) -> None:
        self._failed.add(address)
        self.errors.append(text)
        self._log(self._stage, text, "error")

    def _call(self, change: Change, *, planned: Values, prior: Values) -> Call:
        now = datetime.now(UTC)
        return Call(self._request, change.address, change.name, now, planned, prior, self._wait)

    def _wait(self, seconds: float) -> None:
        """Sleeps, but not past a cancel."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(SLICE, left))
            self._look()


_WORDS = {
    "create": ("Creating", "Creation complete"),
    "update": ("Modifying", "Modifications complete"),
    "delete": ("Destroying", "Destruction complete"),
}


def _noted(resource: Resource, instance: Instance, change: Change) -> Resource:
    """The resource with what the state keeps beside its attributes."""
    return replace(
        resource,
        dependencies=change.dependencies,
        create_before_destroy=change.create_before_destroy,
        prevent_destroy=instance.lifecycle.prevent_destroy,
        triggers=trigger_hashes(instance.lifecycle.replace_triggered_by),
    )


def _outputs(outputs: dict[str, Value]) -> dict[str, object]:
    """Outputs for the state; a sensitive one keeps its name only."""
    return {
        name: {
            "sensitive": bool(v.deep_marks),
            "value": None if v.deep_marks else to_python(v, unknown_as=None),
        }
        for name, v in outputs.items()
    }


def _shown(value: Value) -> object:
    return None if value.deep_marks else to_python(value, unknown_as=None)
