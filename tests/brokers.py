"""A broker of a test's own: Celery keeps its address and its connections from the first use on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from kombu import pools

from coder_admin.celery import app


@contextmanager
def broker_at(url: str) -> Iterator[None]:
    """Announce jobs through the broker at `url`; afterwards through the one of before."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.conf.settings.CELERY_BROKER_URL", url)
        patch.setattr(app.conf, "broker_url", url)
        _forget_connections()
        try:
            yield
        finally:
            _forget_connections()


def _forget_connections() -> None:
    celery: Any = app  # the stubs leave out where it keeps them
    celery._pool = None
    celery.amqp._producer_pool = None
    pools.reset()
