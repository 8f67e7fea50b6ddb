"""The parser's view of the tokens: position, newline modes, depth, errors."""

from __future__ import annotations

from typing import Final, NoReturn

from coder_admin.terraform.diagnostics import Diagnostic, error
from coder_admin.terraform.syntax import tokens as t
from coder_admin.terraform.syntax.scanner import Tokens

# Deeper nesting is refused. Parser and evaluator recurse at most about five Python frames per level, so this
# stays well inside the interpreter's limit of 1,000, whatever stack the caller is on.
MAX_DEPTH: Final = 80
MAX_DIAGNOSTICS: Final = 50
TOO_DEEP: Final = "Expression nested too deeply"


class SyntaxProblem(Exception):
    """Raised inside the parser; caught where parsing can go on."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.summary)
        self.diagnostic = diagnostic


class TokenReader:
    """Reads tokens one after the other. `newlines` says whether newline tokens count just now."""

    def __init__(self, tokens: Tokens) -> None:
        self.source = tokens.source
        self.text = tokens.source.text
        self.kinds = tokens.kinds
        self.starts = tokens.starts
        self.ends = tokens.ends
        self.pos = 0
        self.newlines = True
        self.depth = 0
        self.diagnostics: list[Diagnostic] = list(tokens.diagnostics)

    def peek(self) -> int:
        """Kind of the next token that counts."""
        kind = self.kinds[self.pos]
        if kind == t.NEWLINE and not self.newlines:
            while kind == t.NEWLINE:
                self.pos += 1
                kind = self.kinds[self.pos]
        return kind

    def skip_newlines(self) -> int:
        """Kind of the next token that is no newline."""
        while self.kinds[self.pos] == t.NEWLINE:
            self.pos += 1
        return self.kinds[self.pos]

    @property
    def start(self) -> int:
        """Offset of the token at hand."""
        return self.starts[self.pos]

    @property
    def previous_end(self) -> int:
        """Offset just after the token read last."""
        return self.ends[self.pos - 1] if self.pos else 0

    def token_text(self) -> str:
        return self.text[self.starts[self.pos] : self.ends[self.pos]]

    def at_keyword(self, word: str) -> bool:
        return self.peek() == t.IDENT and self.token_text() == word

    def cut_string(self) -> bool:
        """Whether a quote opens at hand whose string is not closed on its line."""
        at = self.pos
        if self.kinds[at] not in (t.OQUOTE, t.CQUOTE):
            return False
        while self.kinds[at] not in (t.NEWLINE, t.EOF):
            if self.kinds[at] == t.QUOTED_NEWLINE:
                return True
            at += 1
        return False

    def enter(self) -> None:
        """Go one level deeper; the caller must leave again by `self.depth -= 1`."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(
                TOO_DEEP,
                f"Expressions and blocks may be nested {MAX_DEPTH} levels deep; split this one into local "
                "values.",
                code="budget",
            )

    def fail(
        self,
        summary: str,
        detail: str,
        start: int | None = None,
        end: int | None = None,
        code: str = "syntax",
    ) -> NoReturn:
        """Raise a SyntaxProblem at the token at hand, or between two offsets."""
        if start is None:
            start, end = self.starts[self.pos], self.ends[self.pos]
        where = self.source.range(start, start if end is None else end)
        raise SyntaxProblem(error(summary, detail, where, code))

    def report(self, summary: str, detail: str, start: int, end: int) -> None:
        """Note an error and go on."""
        if len(self.diagnostics) < MAX_DIAGNOSTICS:
            self.diagnostics.append(error(summary, detail, self.source.range(start, end), "syntax"))
