"""The Terraform engine as builds use it: init, plan and apply of a real ``terraform`` or ``tofu``."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from coder_admin.provisioning.engines.base import (
    ApplyResult,
    CheckCanceled,
    EngineError,
    EngineRequest,
    KeepState,
    LogFunction,
    Plan,
    ResourceResult,
    never_canceled,
)
from coder_admin.provisioning.engines.embedded.engine import APPLY_STAGES, PLAN_STAGE
from coder_admin.provisioning.engines.embedded.secrets import Mask
from coder_admin.provisioning.plans import PlanError, read_plan, read_state, replacements
from coder_admin.terraform.values import SENSITIVE, string

from . import messages
from .binary import Binary, find_binary
from .configuration import Configuration
from .environment import environment
from .process import LONGEST_LINE, Finished, Limits, OnLine, run
from .results import resources
from .workfolder import WorkFolder, agent_ids, check_state, locked, resources_in

INIT_STAGE: Final = "Initializing Terraform"
KEEP_EVERY: Final = 1.0  # seconds between looks at the state while an apply runs
LARGEST: Final = 256 * 1024 * 1024  # bytes of a plan or state as JSON
SECRETS: Final = ("session_token", "ssh_private_key", "oidc_access_token")  # of the owner
BUSY: Final = (
    "Another Terraform still works on this workspace, perhaps that of a worker which was killed. "
    "Try again later."
)
CACHE_BUSY: Final = "Another build has been installing providers for too long. Try again later."


@dataclass(frozen=True)
class _Build:
    """What the plan and the apply of one build share."""

    binary: Binary
    folder: WorkFolder
    env: Mapping[str, str]
    configuration: Configuration
    mask: Mask = field(default_factory=Mask)

    def late(self) -> str:
        return (
            f"Terraform was stopped: it took longer than {self.configuration.timeout:g} seconds "
            "(setting CODER_ADMIN_TERRAFORM_TIMEOUT_SECONDS)."
        )


@dataclass(frozen=True)
class _Session:
    """One phase of a build: ``lock`` is the descriptor of the workspace's lock, which it holds."""

    build: _Build
    log: LogFunction
    check_canceled: CheckCanceled
    lock: int

    def call(
        self,
        *arguments: str,
        out: OnLine,
        err: OnLine,
        longest: int = LONGEST_LINE,
        also_locked: int | None = None,
    ) -> Finished:
        """One command, within the time that a command may take."""
        configuration = self.build.configuration
        return run(
            (self.build.binary.path, *arguments),
            folder=self.build.folder.run,
            env=self.build.env,
            limits=Limits(configuration.grace, time.monotonic() + configuration.timeout),
            check_canceled=self.check_canceled,
            out=out,
            err=err,
            keep_open=(self.lock,) if also_locked is None else (self.lock, also_locked),
            longest=longest,
        )

    def complain(self, stage: str, lines: list[str]) -> None:
        """What a command that did its work wrote on standard error."""
        for line in lines:
            if line.strip():
                self.log(stage, line, "warn")


@dataclass
class _Watch:
    """The cancel check of an apply, which also hands over the state that Terraform has written so far.

    It is called several times a second while the command runs. A worker that dies with its machine thereby
    loses at most what was made in its last second.
    """

    folder: WorkFolder
    keep: KeepState
    check_canceled: CheckCanceled
    _seen: int = 0
    _next: float = 0.0

    def __call__(self) -> None:
        self.check_canceled()
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + KEEP_EVERY
        written = self.folder.written_at()
        state = self.folder.whole_state() if written and written != self._seen else None
        if state is not None:
            self._seen = written
            self.keep(state)


class TerraformEngine:
    """Holds nothing between builds but how it is configured."""

    name = "terraform"

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration

    def supports(self, types: set[str]) -> set[str]:
        """Nothing is known to be unsupported: which providers can be had shows when a build installs them."""
        return set()

    def plan(
        self, request: EngineRequest, log: LogFunction, check_canceled: CheckCanceled = never_canceled
    ) -> Plan:
        """Raises EngineError with everything that keeps the template from being built."""
        binary = find_binary(self.configuration.binary)
        check_state(request.state)
        folder = WorkFolder.of(request.workdir)
        with self._held(folder, check_canceled) as lock:
            state = folder.newest_state(request.state)
            if state is not request.state:
                log(PLAN_STAGE, "An earlier build was interrupted; what it had made is taken over.", "warn")
            try:
                folder.lay_out(request.source, state)
                self.configuration.plugin_cache.mkdir(parents=True, exist_ok=True)
            except OSError as problem:
                raise EngineError(
                    f"The template's files cannot be laid out for Terraform: {problem}."
                ) from None
            build = _Build(binary, folder, self._environment(request, folder, state), self.configuration)
            _learn(build.mask, request)
            session = _Session(build, build.mask.log(log), check_canceled, lock)
            session.log(INIT_STAGE, f"{Path(binary.path).name} {binary.version}")
            with request.phase("init"):
                _init(session)
            with request.phase("plan"):
                _plan(session, destroy=request.destroy)
            document = _show(session, "plan", str(folder.plan))
            if request.metadata.stage == "claim":
                _log_human_plan(session)
        replaced = replacements(read_plan(document).changes) or {}
        return Plan(document, replaced, private=build)

    def apply(
        self, request: EngineRequest, plan: Plan, log: LogFunction, check_canceled: CheckCanceled
    ) -> ApplyResult:
        """Carry out a plan of this engine. What exists afterwards is in the result, whatever went wrong."""
        build = plan.private
        if not isinstance(build, _Build):
            raise EngineError("This plan was not made by the Terraform engine in this process.")
        stage = APPLY_STAGES[request.metadata.transition]
        with self._held(build.folder, check_canceled) as lock:
            watched = _Watch(build.folder, request.keep, check_canceled)
            session = _Session(build, build.mask.log(log), watched, lock)
            with request.phase("apply"):
                result = _apply(session, stage, before=request.state)
            if request.destroy and result.error is None and not resources_in(result.state):
                build.folder.clear()
            else:
                build.folder.tidy()
        return result

    def _held(self, folder: WorkFolder, check_canceled: CheckCanceled) -> AbstractContextManager[int]:
        """The workspace's lock. A Terraform left behind ends within the grace, or not at all."""
        patience = self.configuration.grace + 10.0
        return locked(folder.root / "lock", check_canceled, patience=patience, busy=BUSY)

    def _environment(self, request: EngineRequest, folder: WorkFolder, state: bytes | None) -> dict[str, str]:
        config = self.configuration.cli_config
        if config is not None and not config.is_file():
            raise EngineError(
                f"The file {config} does not exist. Correct the setting CODER_ADMIN_TERRAFORM_CLI_CONFIG."
            )
        return environment(
            request,
            server=os.environ,
            passed_on=self.configuration.passed_on,
            home=folder.home,
            plugin_cache=self.configuration.plugin_cache.absolute(),
            cli_config=config or Path(os.devnull),
            agent_ids=agent_ids(state),
        )


def _init(session: _Session) -> None:
    """Providers and modules. One at a time: the plugin cache does not bear two writers."""
    build, complaints = session.build, list[str]()
    configuration = build.configuration
    cache, patience = configuration.plugin_cache / ".lock", configuration.timeout
    with locked(cache, session.check_canceled, patience=patience, busy=CACHE_BUSY) as cache_lock:
        finished = session.call(
            *("init", "-input=false", "-no-color"),
            out=lambda line: session.log(INIT_STAGE, line) if line.strip() else None,
            err=complaints.append,
            also_locked=cache_lock,
        )
    _raise_if_interrupted(build, finished)
    if finished.code:
        said = messages.plain_error("\n".join(complaints)) or f"exit code {finished.code}"
        error = build.mask.hide(messages.with_hint(said))
        session.log(INIT_STAGE, error, "error")
        raise EngineError(f"Terraform could not be initialized. {error}")
    session.complain(INIT_STAGE, complaints)


def _plan(session: _Session, *, destroy: bool) -> None:
    build, reader, complaints = session.build, messages.Reader(), list[str]()
    finished = session.call(
        *("plan", "-json", "-input=false", *(["-destroy"] if destroy else []), f"-out={build.folder.plan}"),
        out=_reading(reader, PLAN_STAGE, session.log),
        err=complaints.append,
    )
    _raise_if_interrupted(build, finished)
    if finished.code:
        raise EngineError(_failure(build, "plan", reader, complaints, finished))
    session.complain(PLAN_STAGE, complaints)


def _apply(session: _Session, stage: str, *, before: bytes | None) -> ApplyResult:
    build, reader, complaints = session.build, messages.Reader(), list[str]()
    finished = session.call(
        *("apply", "-json", "-input=false", str(build.folder.plan)),
        out=_reading(reader, stage, session.log),
        err=complaints.append,
    )
    state, steps = build.folder.state_after(before), tuple(reader.steps)
    error = _apply_error(build, reader, complaints, finished)
    if error is not None:
        return ApplyResult(state, error=error, canceled=finished.canceled is not None, steps=steps)
    session.complain(stage, complaints)
    try:
        # It is done: a cancel that comes now comes too late.
        shown = _show(replace(session, check_canceled=never_canceled), "state")
        made, outputs = _made(shown), (shown.get("values") or {}).get("outputs") or {}
    except EngineError as problem:
        return ApplyResult(state, error=str(problem), steps=steps)
    return ApplyResult(state, made, outputs=outputs, steps=steps)


def _apply_error(
    build: _Build, reader: messages.Reader, complaints: list[str], finished: Finished
) -> str | None:
    if not finished.interrupted:
        return _failure(build, "apply", reader, complaints, finished) if finished.code else None
    said = "The build was canceled." if finished.canceled is not None else build.late()
    if finished.killed:
        said += (
            f" Terraform did not end within {build.configuration.grace:g} seconds and was killed: "
            "what it was doing last may be missing from the state."
        )
    return said


def _made(shown: Mapping[str, Any]) -> tuple[ResourceResult, ...]:
    try:
        return resources(read_state(shown))
    except (PlanError, KeyError, TypeError, ValueError) as problem:
        raise EngineError(f"The state that Terraform wrote cannot be read: {problem!r}.") from None


def _show(session: _Session, what: str, *target: str) -> Mapping[str, Any]:
    """A plan or the state in Terraform's JSON."""
    lines, complaints = list[str](), list[str]()
    arguments = ("show", "-json", *target)
    finished = session.call(*arguments, out=lines.append, err=complaints.append, longest=LARGEST)
    _raise_if_interrupted(session.build, finished)
    if finished.code:
        said = session.build.mask.hide(messages.plain_error("\n".join(complaints)))
        raise EngineError(f"Terraform could not show the {what} (exit code {finished.code}). {said}")
    document = messages.json_object("\n".join(lines))
    if document is None:
        raise EngineError(f"Terraform showed no {what} that this program can read.")
    return document


def _log_human_plan(session: _Session) -> None:
    """The plan for people, in the log of a claim. Only a help: that it fails does not fail the build."""

    def out(line: str) -> None:
        shown = messages.human_plan_line(line)
        session.log(PLAN_STAGE, shown.text, shown.level)

    complaints: list[str] = []
    with suppress(EngineError):
        finished = session.call(
            *("show", "-no-color", str(session.build.folder.plan)), out=out, err=complaints.append
        )
        if finished.canceled is not None:
            raise finished.canceled
        session.complain(PLAN_STAGE, complaints)


def _reading(reader: messages.Reader, stage: str, log: LogFunction) -> OnLine:
    def out(line: str) -> None:
        shown = reader.read(line)
        if shown is not None:
            log(stage, shown.text, shown.level)

    return out


def _failure(
    build: _Build, what: str, reader: messages.Reader, complaints: list[str], finished: Finished
) -> str:
    errors = "\n".join(reader.errors) or messages.plain_error("\n".join(complaints))
    said = errors or f"terraform {what} ended with exit code {finished.code} and no message."
    return build.mask.hide(messages.with_hint(said))


def _raise_if_interrupted(build: _Build, finished: Finished) -> None:
    if finished.canceled is not None:
        raise finished.canceled
    if finished.timed_out:
        raise EngineError(build.late())


def _learn(mask: Mask, request: EngineRequest) -> None:
    """Secrets that we hand in ourselves; Terraform hides those that it or a template knows."""
    owner = [str(request.metadata.owner.get(name) or "") for name in SECRETS]
    tokens = request.metadata.running_agent_tokens.values()
    mask.learn(string(text).with_marks(SENSITIVE) for text in (*owner, *tokens))
