"""Fixtures of the pools' tests."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from django.utils import timezone

from coder_admin.catalog.models import TemplateVersionPreset
from coder_admin.foundation import events
from coder_admin.organizations.models import User
from coder_admin.workspaces.claims import ClaimRequest
from rbac import Subject, SystemSubject, acting_as
from rbac.django import subject_for
from tests.prebuilds import world


@pytest.fixture
def owner(db: None) -> User:
    return world.person("owner", ["owner"])


@pytest.fixture
def actor(owner: User) -> Subject:
    return subject_for(owner)


@pytest.fixture
def orchestrator() -> Iterator[Subject]:
    with acting_as(SystemSubject.PREBUILDS_ORCHESTRATOR, reason="a test of the pools") as subject:
        yield subject


def claim_request(
    preset: TemplateVersionPreset, user: User, *, now: datetime | None = None, **fields: Any
) -> ClaimRequest:
    """A request for a new workspace from `preset`."""
    version = preset.template_version
    assert version.template_id is not None
    request = ClaimRequest(
        preset=preset,
        template_id=version.template_id,
        version_id=version.id,
        organization_id=version.organization_id,
        owner_id=user.id,
        name=f"mine-{uuid.uuid4().hex[:8]}",
        autostart_schedule="",
        next_start_at=None,
        ttl_ms=None,
        automatic_updates="never",
        now=now or timezone.now(),
    )
    return replace(request, **fields)


@pytest.fixture
def recorded_events() -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """Every event published in this process while the test runs."""
    seen: list[tuple[str, dict[str, Any]]] = []
    undo = events.subscribe("", lambda topic, event: seen.append((topic, dict(event))))
    yield seen
    undo()
