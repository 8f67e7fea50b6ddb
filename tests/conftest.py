"""Fixtures that every room's tests share."""

from __future__ import annotations

import pytest
from channels.layers import channel_layers
from django.conf import settings
from hypothesis import settings as hypothesis_settings

# A machine that is busy makes an example slow, not wrong.
hypothesis_settings.register_profile("project", deadline=None)
hypothesis_settings.load_profile("project")


@pytest.fixture(autouse=True)
def _channel_layer_of_this_loop() -> None:
    """Each test has an event loop of its own, and the locks of the Redis layer belong to one."""
    if settings.REDIS_URL:
        channel_layers.backends.clear()
