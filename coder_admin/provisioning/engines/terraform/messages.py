"""What the command says, for people: its machine-readable lines, its diagnostics, its steps.

Pure. The lines are those of ``plan -json`` and ``apply -json`` (Terraform's machine-readable UI, 1.x); lines
that are something else, such as what a broken plugin prints, pass through as they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from coder_admin.provisioning.engines.base import Step

LEVELS: Final = {"trace": "trace", "debug": "debug", "info": "info", "warn": "warn", "error": "error"}
QUIET: Final = frozenset({"version", "outputs", "refresh_start", "refresh_complete"})
NEEDS_A_PROVIDER: Final = re.compile(
    r"Failed to (query available provider packages|install provider)"
    r"|Could not (retrieve the list of available versions|load plugin)"
    r"|Inconsistent dependency lock file|Invalid provider registry host|Incompatible provider version"
)
PROVIDER_HINT: Final = (
    "A provider that the template needs is not to be had on this machine. Let the machine reach the "
    "provider's registry, or name a mirror in a CLI configuration file "
    "(setting CODER_ADMIN_TERRAFORM_CLI_CONFIG)."
)
BOX: Final = "╷│╵"


@dataclass(frozen=True)
class Line:
    text: str
    level: str = "info"


@dataclass
class Reader:
    """Takes lines one by one; keeps the errors and the finished operations."""

    errors: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    _started: dict[str, datetime] = field(default_factory=dict)

    def read(self, line: str) -> Line | None:
        """What to log for it; None for nothing."""
        message = _message(line)
        if message is None:
            return Line(line) if line.strip() else None
        kind = message.get("type")
        if kind == "diagnostic":
            return self._diagnostic(message)
        self._time(message)
        if kind in QUIET:
            return None
        return Line(str(message.get("@message") or ""), LEVELS.get(str(message.get("@level")), "info"))

    def _diagnostic(self, message: Mapping[str, Any]) -> Line:
        body = message.get("diagnostic")
        if not isinstance(body, Mapping):
            body = {"severity": message.get("@level"), "summary": message.get("@message")}
        text = diagnostic_text(body)
        if body.get("severity") == "error":
            self.errors.append(text)
            return Line(text, "error")
        return Line(text, "warn")

    def _time(self, message: Mapping[str, Any]) -> None:
        hook = message.get("hook")
        kind = message.get("type")
        if not isinstance(hook, Mapping) or kind not in {"apply_start", "apply_complete", "apply_errored"}:
            return
        about = hook.get("resource")
        resource = str(about.get("addr")) if isinstance(about, Mapping) else ""
        action = str(hook.get("action"))
        key, at = f"{action} {resource}", _moment(message.get("@timestamp"))
        if kind == "apply_start":
            self._started[key] = at
        elif key in self._started:
            self.steps.append(Step(resource, action, self._started.pop(key), at))


def diagnostic_text(body: Mapping[str, Any]) -> str:
    """One diagnostic: where, what, and what Terraform says about it."""
    place = ""
    where = body.get("range")
    if isinstance(where, Mapping):
        start = where.get("start")
        line = f":{start.get('line')}" if isinstance(start, Mapping) else ""
        place = f"{where.get('filename')}{line}: "
    elif body.get("address"):
        place = f"{body['address']}: "
    summary, detail = str(body.get("summary") or ""), str(body.get("detail") or "").strip()
    return f"{place}{summary}\n{detail}" if detail else f"{place}{summary}"


def plain_error(text: str) -> str:
    """The errors that a command without JSON output wrote, without the box drawn around them."""
    lines = [line.strip(BOX).strip() if line[:1] in BOX else line.strip() for line in text.splitlines()]
    kept = "\n".join(lines).strip()
    start = kept.find("Error: ")
    return re.sub(r"\n{2,}", "\n", kept[start:] if start >= 0 else kept)


def with_hint(error: str) -> str:
    """The error, and what to do about it where we know."""
    return f"{error}\n{PROVIDER_HINT}" if NEEDS_A_PROVIDER.search(error) else error


def human_plan_line(line: str) -> Line:
    """A line of the plan for people: what forces a replacement is a warning (reference: section 2)."""
    return Line(line, "warn" if "# forces replacement" in line else "info")


def _message(line: str) -> Mapping[str, Any] | None:
    message = json_object(line) if line.startswith("{") else None
    return message if message is not None and "@message" in message else None


def json_object(text: str) -> Mapping[str, Any] | None:
    """The JSON object that the text is; None when it is anything else."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _moment(text: object) -> datetime:
    try:
        moment = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        return datetime.now(UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
