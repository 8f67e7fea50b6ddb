"""Source text and the way from an offset in it to line and column."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right

from coder_admin.terraform.diagnostics import Diagnostic, Position, Range, error

MAX_SOURCE_CHARACTERS = 1024 * 1024
BAD_ENCODING = "Invalid character encoding"
_ZERO_WIDTH_JOINER = "\u200d"


class SourceText:
    """The text of one file; offsets count code points from 0."""

    __slots__ = ("_ascii", "_lines", "file", "text")

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self._ascii = text.isascii()
        # Where lines start, in characters and in bytes; made once, when the first position is asked for.
        self._lines: tuple[list[int], list[int]] | None = None

    def position(self, offset: int) -> Position:
        """Line, column (in grapheme clusters) and byte of an offset."""
        starts = self._lines
        if starts is None:
            starts = self._lines = self._line_starts()
        lines, line_bytes = starts
        line = bisect_right(lines, offset)
        start = lines[line - 1]
        if self._ascii:
            return Position(self.file, line, offset - start + 1, offset)
        before = self.text[start:offset]
        return Position(self.file, line, _width(before) + 1, line_bytes[line - 1] + len(before.encode()))

    def _line_starts(self) -> tuple[list[int], list[int]]:
        lines, line_bytes = [0], [0]
        for line in self.text.split("\n")[:-1]:
            lines.append(lines[-1] + len(line) + 1)
            if not self._ascii:
                line_bytes.append(line_bytes[-1] + len(line.encode()) + 1)
        return lines, line_bytes

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
                BAD_ENCODING,
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
