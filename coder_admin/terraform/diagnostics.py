"""Positions in source text, and what is said about them.

A `Range` is made only when somebody asks for it: the tree carries offsets, and `SourceText`
(`syntax/source.py`) turns an offset into line and column. Lines and columns count from 1, columns count
grapheme clusters as Terraform does, `byte` counts UTF-8 bytes from 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a file: line and column from 1, byte from 0."""

    file: str
    line: int
    column: int
    byte: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line},{self.column}"


@dataclass(frozen=True, slots=True)
class Range:
    """From `start` up to, not including, `end`, both in one file."""

    start: Position
    end: Position

    @property
    def file(self) -> str:
        return self.start.file

    def __str__(self) -> str:
        """`main.tf:2,3-8`, or `main.tf:2,3-4,5` when it spans lines, as Terraform writes it."""
        if self.start.line == self.end.line:
            return f"{self.start.file}:{self.start.line},{self.start.column}-{self.end.column}"
        return f"{self.start}-{self.end.line},{self.end.column}"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding: what is wrong (`summary`), why and what to do (`detail`), and where.

    `code` is a short machine name of the kind for callers that sort diagnostics ("syntax", "budget", …).
    """

    severity: Severity
    summary: str
    detail: str = ""
    range: Range | None = None
    code: str = ""

    def __str__(self) -> str:
        place = f"{self.range}: " if self.range else ""
        return f"{place}{self.summary}; {self.detail}" if self.detail else f"{place}{self.summary}"

    @property
    def is_error(self) -> bool:
        return self.severity == "error"

    def to_json(self) -> dict[str, object]:
        """The form that the command line prints: severity, summary, detail, file, line, column."""
        start = self.range.start if self.range else None
        return {
            "severity": self.severity,
            "summary": self.summary,
            "detail": self.detail,
            "file": start.file if start else "",
            "line": start.line if start else 0,
            "column": start.column if start else 0,
        }


class DiagnosticError(Exception):
    """Carries one diagnostic up to whoever evaluates the argument in which it happened."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(str(diagnostic))
        self.diagnostic = diagnostic


def error(summary: str, detail: str = "", range: Range | None = None, code: str = "") -> Diagnostic:
    """An error diagnostic."""
    return Diagnostic("error", summary, detail, range, code)


def warning(summary: str, detail: str = "", range: Range | None = None, code: str = "") -> Diagnostic:
    """A warning diagnostic."""
    return Diagnostic("warning", summary, detail, range, code)


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    """Whether at least one of them is an error."""
    return any(item.severity == "error" for item in diagnostics)
