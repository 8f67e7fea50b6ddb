"""Source text and the way from an offset in it to line and column."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right

from coder_admin.terraform.diagnostics import Diagnostic, Position, Range, error

MAX_SOURCE_CHARACTERS = 1024 * 1024
_ZERO_WIDTH_JOINER = "\u200d"


class SourceText:
    """The text of one file; offsets count code points from 0."""

    __slots__ = ("_lines", "file", "text")

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self._lines: list[int] | None = None

    def position(self, offset: int) -> Position:
        """Line, column (in grapheme clusters) and byte of an offset."""
        lines = self._lines
        if lines is None:
            lines = [0]
            find = self.text.find
            at = find("\n")
            while at >= 0:
                lines.append(at + 1)
                at = find("\n", at + 1)
            self._lines = lines
        line = bisect_right(lines, offset)
        before = self.text[lines[line - 1] : offset]
        return Position(self.file, line, _width(before) + 1, len(self.text[:offset].encode()))

    def range(self, start: int, end: int) -> Range:
        """The range between two offsets."""
        return Range(self.position(start), self.position(max(start, end)))


def _width(text: str) -> int:
    """Number of grapheme clusters, near enough for a column: marks and joined emoji add nothing."""
    if text.isascii():
        return len(text)
    count = 0
    joined = False
    for character in text:
        if character == _ZERO_WIDTH_JOINER:
            joined = True
            continue
        if not joined and unicodedata.category(character) not in ("Mn", "Me"):
            count += 1
        joined = False
    return count


def decode(file: str, data: bytes) -> tuple[SourceText, list[Diagnostic]]:
    """Bytes of a file as text: a byte order mark goes, invalid UTF-8 and oversize are diagnostics."""
    raw = data.removeprefix(b"\xef\xbb\xbf")
    if len(raw) > 4 * MAX_SOURCE_CHARACTERS:
        return SourceText(file, ""), [_too_large(file)]
    try:
        text = raw.decode()
    except UnicodeDecodeError as problem:
        source = SourceText(file, raw.decode(errors="replace"))
        at = len(raw[: problem.start].decode())
        return source, [
            error(
                "Invalid character encoding",
                "All input files must be UTF-8 encoded. Ensure that UTF-8 encoding is selected in your "
                "editor.",
                source.range(at, at + 1),
                "syntax",
            )
        ]
    if len(text) > MAX_SOURCE_CHARACTERS:
        return SourceText(file, ""), [_too_large(file)]
    return SourceText(file, text), []


def _too_large(file: str) -> Diagnostic:
    start = Position(file, 1, 1, 0)
    return error(
        "File too large",
        f"The file has more than {MAX_SOURCE_CHARACTERS} characters, which is more than this reader takes.",
        Range(start, start),
        "budget",
    )
