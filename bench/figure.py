"""What a measurement gives."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured number beside what it is held against (a goal, or a peer measured in the same run)."""

    name: str
    measured: float
    against: float
    unit: str

    @property
    def ratio(self) -> float:
        """Below 1 is better than what it is held against."""
        return self.measured / self.against

    def line(self) -> str:
        """One aligned line for people."""
        measured, against = f"{self.measured:9.2f} {self.unit:<3}", f"{self.against:9.2f} {self.unit:<3}"
        return f"{self.name:44} {measured}{against}{self.ratio:6.2f}"
