"""Where the pools plug in: taking a prebuilt workspace, hearing that a claim replaced resources and that a
build ended.

This room knows no pools. `prebuilds` registers its part when the applications are ready.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import structlog
from django.db import transaction

if TYPE_CHECKING:
    from coder_admin.catalog.models import TemplateVersionPreset

    from .models import Workspace, WorkspaceBuild

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ClaimRequest:
    """What a new workspace is to be; a claimed one takes these values (prebuilds.md 5.2).

    `preset` is as the creating transaction read it, so that nobody has to read it again. `otherwise_id` is
    the id of the workspace that is created when nothing can be claimed.
    """

    preset: TemplateVersionPreset
    template_id: uuid.UUID
    version_id: uuid.UUID
    organization_id: uuid.UUID
    owner_id: uuid.UUID
    name: str
    autostart_schedule: str
    next_start_at: datetime | None
    ttl_ms: int | None
    automatic_updates: str
    now: datetime
    otherwise_id: uuid.UUID | None = None

    @property
    def preset_id(self) -> uuid.UUID:
        return self.preset.id


Claimer = Callable[[ClaimRequest], "Workspace | None"]
ReplacementListener = Callable[["WorkspaceBuild", Mapping[str, list[str]]], None]
SuccessListener = Callable[["WorkspaceBuild", datetime], None]

_claimers: list[Claimer] = []
_listeners: list[ReplacementListener] = []
_success_listeners: list[SuccessListener] = []


def register(claimer: Claimer) -> None:
    """Let `claimer` try to hand out a prebuilt workspace. It runs inside the creating transaction,
    re-owns one row and returns it, or returns None when nothing is claimable."""
    if claimer not in _claimers:
        _claimers.append(claimer)


def on_replacements(listener: ReplacementListener) -> None:
    """Call `listener(build, {address: paths})` inside the transaction that stores the success of a claim
    build which replaced resources."""
    if listener not in _listeners:
        _listeners.append(listener)


def on_success(listener: SuccessListener) -> None:
    """Call `listener(build, now)` inside the transaction that stores the success of a build."""
    if listener not in _success_listeners:
        _success_listeners.append(listener)


def claim(request: ClaimRequest) -> Workspace | None:
    """The first workspace that a claimer hands out, or None."""
    for claimer in _claimers:
        workspace = claimer(request)
        if workspace is not None:
            return workspace
    return None


def replacements_found(build: WorkspaceBuild, replacements: Mapping[str, list[str]]) -> None:
    """Tell the listeners, inside the transaction: what they store stands or falls with the build's end. One
    that fails is undone by itself and only logged."""
    for listener in _listeners:
        try:
            with transaction.atomic():
                listener(build, replacements)
        except Exception:
            log.exception("listener of replacements failed", build=str(build.id))


def build_succeeded(build: WorkspaceBuild, now: datetime) -> None:
    """Tell the listeners, inside the transaction."""
    for listener in _success_listeners:
        listener(build, now)
