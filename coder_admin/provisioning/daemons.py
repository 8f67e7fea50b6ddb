"""Rows of worker processes: registered at start, seen while alive, forgotten after a week of silence."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from .host import host_id
from .models import ProvisionerDaemon

API_VERSION = "1.0"
SEEN_EVERY = timedelta(seconds=15)
STALE_AFTER = timedelta(seconds=90)
FORGET_AFTER = timedelta(days=7)


@dataclass(frozen=True)
class Registration:
    name: str
    tags: Mapping[str, str]
    concurrency: int
    provisioners: Sequence[str] = ("embedded",)


@transaction.atomic
def register(registration: Registration, *, now: datetime) -> uuid.UUID:
    """The worker's id. A worker that comes back under its name keeps its row."""
    ProvisionerDaemon.objects.filter(last_seen_at__lt=now - FORGET_AFTER).delete()
    facts = {
        "hostname": socket.gethostname()[:128],
        "version": settings.VERSION,
        "api_version": API_VERSION,
        "host": host_id(),
        "provisioners": list(registration.provisioners),
        "tags": dict(sorted(registration.tags.items())),
        "concurrency": registration.concurrency,
        "last_seen_at": now,
    }
    known = ProvisionerDaemon.objects.filter(name=registration.name).order_by("created_at").first()
    if known is None:
        return ProvisionerDaemon.objects.create(name=registration.name, created_at=now, **facts).id
    ProvisionerDaemon.objects.filter(id=known.id).update(**facts)
    return known.id


def seen(worker_id: uuid.UUID, *, now: datetime) -> None:
    ProvisionerDaemon.objects.filter(id=worker_id).update(last_seen_at=now)


def gone(worker_id: uuid.UUID) -> None:
    """The worker stopped in order: offline at once, not after the stale interval."""
    ProvisionerDaemon.objects.filter(id=worker_id).update(last_seen_at=None)
