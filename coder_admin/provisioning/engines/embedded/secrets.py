"""Keeping sensitive values out of logs and messages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from coder_admin.provisioning.engines.base import LogFunction
from coder_admin.terraform.values import Value

from .codec import secrets

SHOWN_AS: Final = "(sensitive value)"
SHORTEST: Final = 3  # characters; hiding every "1" would hide the log itself


class Mask:
    """Collects secrets as they appear, and hides them in text."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()
        self._ordered: list[str] = []

    def learn(self, values: Iterable[Value]) -> None:
        found = {text for value in values for text in secrets(value) if len(text) >= SHORTEST}
        # A secret of several lines must not come through line by line.
        found |= {line for text in found for line in text.splitlines() if len(line) >= SHORTEST}
        if not found <= self._secrets:
            self._secrets |= found
            self._ordered = sorted(self._secrets, key=len, reverse=True)

    def hide(self, text: str) -> str:
        for secret in self._ordered:
            if secret in text:
                text = text.replace(secret, SHOWN_AS)
        return text

    def log(self, log: LogFunction) -> LogFunction:
        def masked(stage: str, output: str, level: str = "info", source: str = "provisioner") -> None:
            log(stage, self.hide(output), level, source)

        return masked
