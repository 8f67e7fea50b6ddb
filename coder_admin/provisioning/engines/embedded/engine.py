"""The embedded engine as builds use it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from coder_admin.provisioning.engines.base import (
    ApplyResult,
    CheckCanceled,
    EngineError,
    EngineRequest,
    LogFunction,
    Plan,
    never_canceled,
)
from coder_admin.provisioning.plans import read_plan, replacements
from coder_admin.terraform import Module

from . import planner
from .applier import Applier
from .changes import Action
from .documents import plan_document
from .planner import Planned
from .results import resources_of
from .secrets import Mask
from .sources import DATA_SOURCES
from .state import Journal, State, dump, load
from .types import RESOURCE_TYPES

PLAN_STAGE: Final = "Planning infrastructure"
APPLY_STAGES: Final = {
    "start": "Starting workspace",
    "stop": "Stopping workspace",
    "delete": "Deleting workspace",
}


class EmbeddedEngine:
    """Plans and applies with the built-in evaluator and resource types; holds nothing between calls."""

    name = "embedded"

    def supports(self, types: set[str]) -> set[str]:
        """Those of the types (data sources as ``data.TYPE``) that are not built in."""
        known = set(RESOURCE_TYPES) | {f"data.{name}" for name in DATA_SOURCES}
        return types - known

    def plan(
        self, request: EngineRequest, log: LogFunction, check_canceled: CheckCanceled = never_canceled
    ) -> Plan:
        """Raises EngineError with everything that keeps the template from being built."""
        check_canceled()
        mask = Mask()
        masked = mask.log(log)
        known = load(request.state)
        state = Journal(request.workdir).newest(known, first=request.state is None)
        if state is not known:
            masked(PLAN_STAGE, "An earlier build was interrupted; what it had made is taken over.", "warn")
        module: Module | None = None
        if request.destroy:
            with request.phase("plan"):
                planned = _destruction(request, state, mask)
        else:
            with request.phase("init"):
                module = planner.load(request)
            with request.phase("plan"):
                planned = planner.plan_module(
                    request, module, state, mask, now=datetime.now(UTC), check_canceled=check_canceled
                )
        for diagnostic in planned.warnings:
            masked(PLAN_STAGE, str(diagnostic), "warn")
        document = plan_document(planned)
        replaced = replacements(read_plan(document).changes) or {}
        plan = Plan(document, replaced, private=(planned, mask, module))
        _log_plan(plan, planned, masked)
        return plan

    def apply(
        self, request: EngineRequest, plan: Plan, log: LogFunction, check_canceled: CheckCanceled
    ) -> ApplyResult:
        """Carry out a plan of this engine. What exists afterwards is in the result, whatever went wrong."""
        if not isinstance(plan.private, tuple):
            raise EngineError("This plan was not made by the embedded engine in this process.")
        planned, mask, module = plan.private
        stage = APPLY_STAGES[request.metadata.transition]
        applier = Applier(request, planned, log=log, stage=stage, check_canceled=check_canceled, mask=mask)
        with request.phase("apply"):
            applier.run(module)
        canceled = applier.canceled is not None
        error = "\n".join(applier.errors) or ("The build was canceled." if canceled else None)
        if error is None:
            added, changed, destroyed = plan.counts
            mask.log(log)(stage, f"Apply complete! {added} added, {changed} changed, {destroyed} destroyed.")
        return ApplyResult(
            state=dump(applier.state),
            resources=resources_of(applier.state),
            error=error,
            canceled=canceled,
            outputs=applier.state.outputs,
            steps=tuple(applier.steps),
        )


def _destruction(request: EngineRequest, state: State, mask: Mask) -> Planned:
    """Everything goes. The template is only asked what it protects; a broken one protects nothing."""
    try:
        declared = planner.declared(planner.load(request))
    except EngineError:
        declared = frozenset()
    return Planned(planner.deletions(state, keep=(), mask=mask, declared=declared), state=state)


_SIGNS: Final = {
    Action.CREATE: "  + {} will be created",
    Action.UPDATE: "  ~ {} will be updated in-place",
    Action.DELETE: "  - {} will be destroyed",
    Action.READ: " <= {} will be read during apply",
}


def _log_plan(plan: Plan, planned: Planned, log: LogFunction) -> None:
    for change in planned.changes.values():
        if change.action is Action.REPLACE:
            sign = "+/-" if change.create_before_destroy else "-/+"
            log(PLAN_STAGE, f"{sign} {change.address} must be replaced")
        elif change.action in _SIGNS:
            log(PLAN_STAGE, _SIGNS[change.action].format(change.address))
    added, changed, destroyed = plan.counts
    if added or changed or destroyed:
        log(PLAN_STAGE, f"Plan: {added} to add, {changed} to change, {destroyed} to destroy.")
    else:
        log(PLAN_STAGE, "No changes. What exists matches the template.")
