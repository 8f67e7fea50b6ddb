"""Slows down guessing of passwords: failures are counted per account and address, and per address."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from coder_admin.foundation.counters import count_hit, forget_hits, hits
from coder_admin.foundation.errors import TooManyRequests

WINDOW_SECONDS = 60
FAILURES_PER_ACCOUNT = 5
FAILURES_PER_ADDRESS = 30


@dataclass(frozen=True)
class Attempt:
    """One try to log in: as whom, from where."""

    account: str
    address: str

    def _keys(self) -> tuple[tuple[str, int], ...]:
        # Hashed: the account is text from outside, and cache keys allow neither spaces nor great length.
        both = hashlib.sha256(f"{self.account.lower()}|{self.address}".encode()).hexdigest()
        address = hashlib.sha256(self.address.encode()).hexdigest()
        return (
            (f"login-failures:account:{both}", FAILURES_PER_ACCOUNT),
            (f"login-failures:address:{address}", FAILURES_PER_ADDRESS),
        )

    def refuse_if_too_many(self) -> None:
        """Raise TooManyRequests when the last minute saw too many failures."""
        for key, maximum in self._keys():
            if hits(key) >= maximum:
                raise TooManyRequests(
                    "Too many failed attempts to log in.",
                    detail=f"Wait {WINDOW_SECONDS} seconds, then try again.",
                )

    def failed(self) -> None:
        """Count a failure; the count ends a minute after its first."""
        for key, _ in self._keys():
            count_hit(key, seconds=WINDOW_SECONDS)

    def succeeded(self) -> None:
        """Forget the account's failures."""
        forget_hits(self._keys()[0][0])
