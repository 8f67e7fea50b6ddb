"""The deployment's prebuilds settings as stored: one JSON text under one key (reference section 1.5)."""

from __future__ import annotations

import json

from coder_admin.foundation.models import SiteConfig

KEY = "prebuilds_settings"


def stored_text() -> str:
    """The stored text, empty when nothing was ever stored."""
    return SiteConfig.objects.filter(key=KEY).values_list("value", flat=True).first() or ""


def parse(text: str) -> bool:
    """Whether the text says that reconciliation is paused; anything unreadable does not."""
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return False
    return isinstance(value, dict) and value.get("reconciliation_paused") is True


def render(paused: bool) -> str:
    """The text to store."""
    return json.dumps({"reconciliation_paused": paused}, separators=(",", ":"))


def reconciliation_paused() -> bool:
    """Whether an administrator paused all pools."""
    return parse(stored_text())
