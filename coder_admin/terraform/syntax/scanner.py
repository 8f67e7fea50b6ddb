"""Text to tokens.

HCL is several languages in one: a quoted string is a template in which `${` starts an expression in which
a brace or quote nests again. The scanner keeps a stack of modes for that. The tokens are three parallel
lists (kind, start, end), which costs half the time of objects.

Rules of HCL's own scanner that are easy to miss: `$${` and longer runs of `$` before `{` are literal; a line
comment counts as a newline; a heredoc ends at a line that holds only its marker, and that line must itself
end with a newline; a heredoc's text is one token per line.
"""

from __future__ import annotations

import re
from typing import Final

from coder_admin.terraform.diagnostics import Diagnostic, error
from coder_admin.terraform.syntax import tokens as t
from coder_admin.terraform.syntax.source import SourceText

_IDENT = r"[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\-\x80-\U0010ffff]*"
_NORMAL = re.compile(
    rf"""
    ([ \t]+)
  | ({_IDENT})
  | (\r?\n | (?:\#|//)[^\n]*\n?)
  | (<<-?{_IDENT}\r?\n)
  | (/\*(?s:.*?)\*/)
  | (\.\.\. | => | == | != | <= | >= | && | \|\| | :: | [\[\]().,:?=<>+\-*%!] | /(?!\*))
  | (")
  | ([0-9]++(?:\.*+(?:[0-9]++|[eE][+-]?[0-9]++))*+)
  | (~?\}} | \{{)
    """,
    re.VERBOSE,
)
_SPACE, _NAME, _LINE, _HEREDOC, _COMMENT, _PUNCT, _QUOTE, _NUMBER, _BRACE = range(1, 10)
_SKIPPED = frozenset({_SPACE, _COMMENT})

_DOLLARS = r"\$\$++\{|%%++\{|\$++(?!\{)|%++(?!\{)"
_QUOTED_TEXT = re.compile(rf'(?:[^"\\$%\r\n]++|\\[^\r\n]|{_DOLLARS})+')
_HEREDOC_TEXT = re.compile(rf"(?:[^$%\n]++|{_DOLLARS})*+\n?")
_BARE_TEXT = re.compile(rf"(?:[^$%]++|{_DOLLARS})+")

MAX_TOKENS: Final = 200_000

_CODE: Final = 0
_INTERPOLATION: Final = 1
_QUOTED: Final = 2
_IN_HEREDOC: Final = 3
_BARE: Final = 4


class Tokens:
    """Parallel lists; the last token is EOF."""

    __slots__ = ("diagnostics", "ends", "kinds", "source", "starts")

    def __init__(self, source: SourceText) -> None:
        self.source = source
        self.kinds: list[int] = []
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.diagnostics: list[Diagnostic] = []

    def add(self, kind: int, start: int, end: int) -> None:
        self.kinds.append(kind)
        self.starts.append(start)
        self.ends.append(end)


class _Scanner:
    """State of one scan: position, mode, stack of (mode, brace depth, heredoc marker, at line start)."""

    __slots__ = ("at", "braces", "line_start", "marker", "mode", "out", "stack", "text")

    def __init__(self, source: SourceText, mode: int) -> None:
        self.out = Tokens(source)
        self.text = source.text
        self.at = 0
        self.mode = mode
        self.braces = 0
        self.marker = ""
        self.line_start = True
        self.stack: list[tuple[int, int, str, bool]] = []

    def push(self, mode: int, marker: str = "") -> None:
        self.stack.append((self.mode, self.braces, self.marker, self.line_start))
        self.mode, self.braces, self.marker, self.line_start = mode, 0, marker, True

    def pop(self) -> None:
        self.mode, self.braces, self.marker, self.line_start = self.stack.pop()

    def run(self) -> Tokens:
        size = len(self.text)
        while self.at < size:
            if self.mode <= _INTERPOLATION:
                self.code()
            elif self.mode == _QUOTED:
                self.quoted()
            elif self.mode == _IN_HEREDOC:
                self.heredoc()
            else:
                self.bare()
            if len(self.out.kinds) > MAX_TOKENS:
                self.too_many()
        self.out.add(t.EOF, size, size)
        return self.out

    def too_many(self) -> None:
        """Report that the file is too large, and stop."""
        detail = f"The file has more than {MAX_TOKENS} tokens, which is more than this reader takes."
        where = self.out.source.range(self.out.starts[-1], self.out.ends[-1])
        self.out.diagnostics.append(error("File too large", detail, where, "budget"))
        self.at = len(self.text)

    def code(self) -> None:
        """Tokens of expressions and bodies, until the mode changes or the text ends."""
        match_at, text, size = _NORMAL.match, self.text, len(self.text)
        kinds, starts, ends = self.out.kinds, self.out.starts, self.out.ends
        punctuation = t.PUNCTUATION
        at = self.at
        while at < size:
            match = match_at(text, at)
            if match is None:
                at = self.invalid(at)
                continue
            group, start, at = match.lastindex, at, match.end()
            if group in _SKIPPED:
                continue
            if group == _NAME and match[0].isascii():
                kind = t.IDENT
            elif group == _PUNCT:
                kind = punctuation[match[0]]
            elif group == _NUMBER:
                kind = t.NUMBER
            else:
                self.at = at
                if self.special(group, start, match[0]):
                    return
                at = self.at
                if len(kinds) > MAX_TOKENS:
                    break
                continue
            kinds.append(kind)
            starts.append(start)
            ends.append(at)
            if len(kinds) > MAX_TOKENS:
                break
        self.at = at

    def special(self, group: int | None, start: int, found: str) -> bool:
        """A token that is rarer, or changes the mode; True when it did. `self.at` is after it."""
        if group == _LINE:
            if found[-1] == "\n":
                self.out.add(t.NEWLINE, start, self.at)
        elif group == _NAME:
            end = _identifier_end(self.text, start, self.at)
            if end == start:
                self.at = self.invalid(start)
            else:
                self.out.add(t.IDENT, start, end)
                self.at = end
        elif group == _QUOTE:
            self.out.add(t.OQUOTE, start, self.at)
            self.push(_QUOTED)
            return True
        elif group == _HEREDOC:
            self.out.add(t.OHEREDOC, start, self.at)
            self.push(_IN_HEREDOC, found.lstrip("<").removeprefix("-").rstrip())
            return True
        elif found == "{":
            self.braces += 1
            self.out.add(t.OBRACE, start, self.at)
        elif self.mode == _INTERPOLATION and self.braces == 0:  # } or ~}
            self.out.add(t.SEQ_END, start, self.at)
            self.pop()
            return True
        elif found == "}":
            self.braces -= 1
            self.out.add(t.CBRACE, start, self.at)
        else:
            self.at = self.invalid(start)
        return False

    def sequence_start(self) -> None:
        """`${` or `%{`, perhaps with a strip marker."""
        start, text = self.at, self.text
        end = start + 2
        if text[end : end + 1] == "~":
            end += 1
        self.out.add(t.INTERP if text[start] == "$" else t.CONTROL, start, end)
        self.at = end
        self.line_start = False
        self.push(_INTERPOLATION)

    def quoted(self) -> None:
        match = _QUOTED_TEXT.match(self.text, self.at)
        if match is not None:
            self.out.add(t.STRING, self.at, match.end())
            self.at = match.end()
            if self.at >= len(self.text):
                return
        character = self.text[self.at]
        if character == '"':
            self.out.add(t.CQUOTE, self.at, self.at + 1)
            self.at += 1
            self.pop()
        elif character in "$%":
            self.sequence_start()
        else:
            # A newline, or a backslash before one: the string was not closed on its line. Leave every
            # string and interpolation that is open, so that the next line is read as code again.
            start = self.at
            end = self.text.find("\n", start)
            end = len(self.text) if end < 0 else end
            self.out.add(t.QUOTED_NEWLINE, start, min(start + 1, len(self.text)))
            self.at = end
            while self.stack and self.mode in (_QUOTED, _INTERPOLATION):
                self.pop()

    def heredoc(self) -> None:
        match = _HEREDOC_TEXT.match(self.text, self.at)
        start = self.at
        end = match.end() if match is not None else start
        if end == start:
            self.sequence_start()
            return
        self.at = end
        if self.text[end - 1] != "\n":
            self.out.add(t.TEXT, start, end)
            self.line_start = False
            return
        if self.line_start and self.text[start:end].strip() == self.marker:
            newline = end - 2 if self.text[end - 2 : end - 1] == "\r" else end - 1
            self.out.add(t.CHEREDOC, start, newline)
            self.out.add(t.NEWLINE, newline, end)
            self.pop()
            return
        self.out.add(t.TEXT, start, end)
        self.line_start = True

    def bare(self) -> None:
        match = _BARE_TEXT.match(self.text, self.at)
        if match is None:
            self.sequence_start()
            return
        self.out.add(t.TEXT, self.at, match.end())
        self.at = match.end()

    def invalid(self, at: int) -> int:
        """Report what no token starts with, add it as an INVALID token, and return where to go on."""
        text = self.text
        end = at + 1
        if text.startswith("/*", at):
            end = len(text)
            self.report(
                at, "Unterminated comment", "This comment has no closing */ before the end of the file."
            )
        else:
            self.report(at, *_explain(text[at]))
        self.out.add(t.INVALID, at, end)
        return end

    def report(self, at: int, summary: str, detail: str) -> None:
        if len(self.out.diagnostics) < 20:  # a binary file would give thousands
            self.out.diagnostics.append(error(summary, detail, self.out.source.range(at, at + 1), "syntax"))


def _identifier_end(text: str, start: int, end: int) -> int:
    """Where the identifier that starts at `start` ends; `start` when there is none."""
    first = text[start]
    if not (first == "_" or first.isidentifier()):
        return start
    at = start + 1
    while at < end and (text[at] == "-" or ("a" + text[at]).isidentifier()):
        at += 1
    return at


def _explain(character: str) -> tuple[str, str]:
    if character in "&|^~":
        meant = {"&": ' Did you mean boolean AND ("&&")?', "|": ' Did you mean boolean OR ("||")?'}
        hint = meant.get(character, ' Did you mean boolean NOT ("!")?' if character == "~" else "")
        return "Unsupported operator", f"Bitwise operators are not supported.{hint}"
    if character == "'":
        return (
            "Invalid character",
            'Single quotes are not valid. Use double quotes (") to enclose strings.',
        )
    if character == "`":
        return (
            "Invalid character",
            'The "`" character is not valid. To create a multi-line string, use the "heredoc" syntax, '
            'like "<<EOT".',
        )
    if character == ";":
        return (
            "Invalid character",
            'The ";" character is not valid. Use newlines to separate arguments and blocks, and commas to '
            "separate items in collection values.",
        )
    return "Invalid character", "This character is not used within the language."


def scan(source: SourceText) -> Tokens:
    """Tokens of a configuration file or of a single expression."""
    return _Scanner(source, _CODE).run()


def scan_template(source: SourceText) -> Tokens:
    """Tokens of a text that is a template as a whole, such as templatefile() reads."""
    return _Scanner(source, _BARE).run()


def only_in_comments(source: SourceText) -> bool:
    """Whether replacement characters, which stand for invalid bytes, are in comments alone."""
    tokens = scan(source)
    spans = zip(tokens.kinds, tokens.starts, tokens.ends, strict=True)
    return not any("\ufffd" in source.text[start:end] for kind, start, end in spans if kind != t.NEWLINE)


def is_open(source: SourceText) -> bool:
    """Whether more must follow: a bracket, interpolation or heredoc is not closed yet."""
    kinds = scan(source).kinds
    opened = sum(kind in t.OPENERS for kind in kinds) - sum(kind in t.CLOSERS for kind in kinds)
    return opened > 0 and t.QUOTED_NEWLINE not in kinds
