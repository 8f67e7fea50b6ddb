"""Templates: quoted strings, heredocs and whole files with ${…} and %{…} in them.

First the parts are read in a row (literals, interpolations, directives), with strip markers applied to the
literal beside them; then indentation is taken off (`<<-`), and directives are nested into a tree.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NoReturn

from coder_admin.terraform.syntax import tokens as t
from coder_admin.terraform.syntax import tree
from coder_admin.terraform.syntax.reader import TokenReader

_ESCAPE = re.compile(r'\\(?:[nrt"\\]|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.?)|([$%])\1+\{', re.DOTALL)
_SEQUENCE = re.compile(r"([$%])\1+\{")
_SIMPLE = {"\\n": "\n", "\\r": "\r", "\\t": "\t", '\\"': '"', "\\\\": "\\"}
# Go's unicode.IsSpace; Python's str.strip() would also take the separators U+001C to U+001F.
SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
)


@dataclass(slots=True)
class _Part:
    """One piece in a row. kind: text, interp, if, else, endif, for, endfor."""

    kind: str
    start: int
    end: int
    text: str = ""
    expr: tree.Node | None = None
    key_name: str | None = None
    value_name: str = ""


class TemplateParser(TokenReader, ABC):
    """The part of the parser that reads templates."""

    @abstractmethod
    def parse_expression(self) -> tree.Node:
        """The expression at hand."""

    def parse_quoted(self) -> tree.Node:
        """A quoted template; the opening quote is at hand."""
        start = self.start
        self.pos += 1
        kinds, pos = self.kinds, self.pos
        if kinds[pos] == t.CQUOTE:
            self.pos += 1
            return tree.Literal(start, self.previous_end, "")
        if kinds[pos] == t.STRING and kinds[pos + 1] == t.CQUOTE:  # most strings
            text = self.literal()
            self.pos += 1
            return tree.Literal(start, self.previous_end, text)
        parts = self.parse_parts(t.CQUOTE, start)
        return self.assemble(parts, start, self.previous_end, heredoc=False)

    def parse_heredoc(self) -> tree.Node:
        """A heredoc; its opening token is at hand."""
        start = self.start
        flush = self.text.startswith("<<-", start)
        self.pos += 1
        parts = self.parse_parts(t.CHEREDOC, start)
        if flush:
            _flush(parts)
        return self.assemble(parts, start, self.previous_end, heredoc=True)

    def parse_bare_template(self) -> tree.Node:
        """A file that is a template as a whole."""
        parts = self.parse_parts(t.EOF, 0)
        return self.assemble(parts, 0, len(self.text), heredoc=True)

    def literal(self) -> str:
        """The text of the literal token at hand, escapes resolved; moves on."""
        start, end, kind = self.starts[self.pos], self.ends[self.pos], self.kinds[self.pos]
        text = self.text[start:end]
        self.pos += 1
        if kind == t.TEXT:
            return _SEQUENCE.sub(lambda m: m[0][1:], text) if "{" in text else text
        if "\\" not in text and "{" not in text:
            return text

        def replace(match: re.Match[str]) -> str:
            found = match[0]
            if found[0] != "\\":
                return found[1:]
            simple = _SIMPLE.get(found)
            if simple is not None:
                return simple
            if len(found) in (6, 10):
                code = int(found[2:], 16)
                if code < 0xD800 or 0xE000 <= code <= 0x10FFFF:
                    return chr(code)
                at = start + match.start()
                detail = f"There is no character U+{code:04X}; half a surrogate pair is none either."
                self.fail("Invalid escape sequence", detail, at, at + len(found))
            at = start + match.start()
            if found[1:2] in ("u", "U") or len(found) > 2:
                digits = "4 hexadecimal digits after \\u, or 8 after \\U"
                self.fail("Invalid escape sequence", f"A Unicode escape needs {digits}.", at, at + len(found))
            self.fail(
                "Invalid escape sequence",
                f'The symbol "{found[1:]}" is not a valid escape sequence selector.',
                at,
                at + len(found),
            )

        return _ESCAPE.sub(replace, text)

    def parse_parts(self, end_kind: int, opened: int) -> list[_Part]:
        """Pieces up to and including the closing token."""
        parts: list[_Part] = []
        trim_next = False
        while True:
            kind = self.kinds[self.pos]
            if kind == end_kind:
                if kind != t.EOF:
                    self.pos += 1
                return parts
            strip, trim_next = trim_next, False
            if kind in (t.STRING, t.TEXT):
                start = self.start
                text = self.literal()
                if strip:
                    text = text.lstrip(SPACE)
                parts.append(_Part("text", start, self.previous_end, text))
            elif kind in (t.INTERP, t.CONTROL):
                if self.text[self.ends[self.pos] - 1] == "~" and parts and parts[-1].kind == "text":
                    parts[-1].text = parts[-1].text.rstrip(SPACE)
                part, trim_next = self.parse_sequence(kind, end_kind)
                parts.append(part)
            elif kind == t.QUOTED_NEWLINE:
                self.multi_line_string()
            else:
                self.fail(
                    "Unterminated template string",
                    "No closing marker was found for the string.",
                    opened,
                    opened + 1,
                )

    def multi_line_string(self) -> NoReturn:
        """Refuse a string that is not closed on its line; the line's end is at hand."""
        self.fail(
            "Invalid multi-line string",
            "Quoted strings may not be split over multiple lines. To produce a multi-line string, either "
            'use the \\n escape to represent a newline character or use the "heredoc" multi-line template '
            "syntax.",
        )

    def parse_sequence(self, kind: int, end_kind: int) -> tuple[_Part, bool]:
        """One ${…} or %{…}, and whether it strips the space after it."""
        start = self.start
        self.pos += 1
        outer, self.newlines = self.newlines, False
        self.enter()
        if kind == t.INTERP:
            part = _Part("interp", start, start, expr=self.parse_expression())
        else:
            part = self.parse_directive(start)
        if self.peek() != t.SEQ_END:
            self.unclosed_sequence(part, end_kind)
        strips = self.text[self.start] == "~"
        self.pos += 1
        self.depth -= 1
        self.newlines = outer
        part.end = self.previous_end
        return part, strips

    def unclosed_sequence(self, part: _Part, end_kind: int) -> None:
        here = self.peek()
        start = part.start
        if end_kind == t.CQUOTE and (here == t.QUOTED_NEWLINE or self.cut_string()):
            self.multi_line_string()
        if part.kind != "interp":
            self.fail(
                f"Extra characters in {part.kind} marker",
                "Expected a closing brace to end the sequence, but found extra characters.",
            )
        if here == t.EOF or (here in (t.CQUOTE, t.OQUOTE) and end_kind == t.CQUOTE):
            self.fail(
                "Unclosed template interpolation sequence",
                "There is no closing brace for this interpolation sequence before the end of the "
                "template. This might be caused by incorrect nesting inside the given expression.",
                start,
                self.previous_end,
            )
        if here == t.COLON:
            self.fail(
                "Extra characters after interpolation expression",
                "Template interpolation doesn't expect a colon at this location. To have the sequence "
                "literally, "
                'for another language to process, escape it by starting with "$${" instead of just "${".',
            )
        self.fail(
            "Extra characters after interpolation expression",
            "Expected a closing brace to end the interpolation expression, but found extra "
            "characters.\n\nTo have "
            "the sequence literally, for another language such as a shell, escape it by starting with "
            '"$${" instead of just "${".',
        )

    def parse_directive(self, start: int) -> _Part:
        if self.peek() != t.IDENT:
            self.fail(
                "Invalid template directive",
                'A template directive keyword ("if", "for", etc) is expected at the beginning of a %{ '
                "sequence.",
            )
        word = self.token_text()
        if word not in ("if", "else", "endif", "for", "endfor"):
            self.fail(
                "Invalid template control keyword", f'"{word}" is not a valid template control keyword.'
            )
        self.pos += 1
        part = _Part(word, start, start)
        if word == "if":
            part.expr = self.parse_expression()
        elif word == "for":
            part.key_name, part.value_name = self.parse_for_names("directive")
            part.expr = self.parse_expression()
        return part

    def parse_for_names(self, what: str) -> tuple[str | None, str]:
        """`k, v in` or `v in`, after the word `for` of an expression or a directive."""
        key: str | None = None
        value = self.for_name(what)
        if self.peek() == t.COMMA:
            self.pos += 1
            key, value = value, self.for_name(what)
        if not self.at_keyword("in"):
            self.fail(
                f"Invalid 'for' {what}",
                f"For {what} requires the 'in' keyword after its name declarations.",
            )
        self.pos += 1
        return key, value

    def for_name(self, what: str) -> str:
        if self.peek() != t.IDENT:
            self.fail(
                f"Invalid 'for' {what}", f"For {what} requires a variable name after its 'for' keyword."
            )
        name = self.token_text()
        self.pos += 1
        return name

    def assemble(self, parts: list[_Part], start: int, end: int, *, heredoc: bool) -> tree.Node:
        """The pieces as a tree; one interpolation alone passes its value through."""
        if len(parts) == 1 and parts[0].kind == "interp":
            expr = parts[0].expr
            if expr is not None:
                return tree.TemplateWrap(start, end, expr)
        builder = _Builder(self, parts)
        nodes = builder.sequence(())
        if len(nodes) == 1 and isinstance(nodes[0], tree.Literal):
            return tree.Literal(start, end, nodes[0].value)
        if not nodes:
            return tree.Literal(start, end, "")
        return tree.Template(start, end, nodes, heredoc)


class _Builder:
    """Nests the directives of a row of pieces."""

    def __init__(self, parser: TemplateParser, parts: list[_Part]) -> None:
        self.parser = parser
        self.parts = parts
        self.at = 0

    def sequence(self, until: tuple[str, ...]) -> list[tree.Node]:
        """Nodes up to (not including) a piece of one of these kinds, or the end."""
        nodes: list[tree.Node] = []
        texts: list[_Part] = []

        def flush() -> None:
            if texts:
                text = "".join([part.text for part in texts])
                if text:
                    nodes.append(tree.Literal(texts[0].start, texts[-1].end, text))
                texts.clear()

        while self.at < len(self.parts):
            part = self.parts[self.at]
            if part.kind in until:
                break
            self.at += 1
            if part.kind == "text":
                texts.append(part)
                continue
            flush()
            nodes.append(self.node(part))
        flush()
        return nodes

    def node(self, part: _Part) -> tree.Node:
        if part.kind == "interp" and part.expr is not None:
            return part.expr
        if part.kind == "if" and part.expr is not None:
            then = self.branch(("else", "endif"), part)
            otherwise: tree.Node = tree.Literal(part.end, part.end, "")
            if self.parts[self.at - 1].kind == "else":
                otherwise = self.branch(("endif",), part)
            return tree.TemplateIf(part.start, self.parts[self.at - 1].end, part.expr, then, otherwise)
        if part.kind == "for" and part.expr is not None:
            body = self.branch(("endfor",), part)
            end = self.parts[self.at - 1].end
            return tree.TemplateFor(part.start, end, part.key_name, part.value_name, part.expr, body)
        self.parser.fail(
            f"Unexpected {part.kind} directive",
            f"The {part.kind} directive has no matching opening directive before it.",
            part.start,
            part.end,
        )

    def branch(self, until: tuple[str, ...], opener: _Part) -> tree.Node:
        """The template up to one of these directives, which is read too."""
        self.parser.enter()
        nodes = self.sequence((*until, "else", "endif", "endfor"))
        self.parser.depth -= 1
        if self.at >= len(self.parts):
            self.parser.fail(
                "Unexpected end of template",
                f"The {opener.kind} directive has no corresponding {until[-1]} directive.",
                opener.start,
                opener.end,
            )
        closer = self.parts[self.at]
        if closer.kind not in until:
            self.parser.fail(
                f"Unexpected {closer.kind} directive",
                f"Expecting an {until[-1]} directive for the {opener.kind} started before.",
                closer.start,
                closer.end,
            )
        self.at += 1
        return tree.Template(opener.end, closer.start, nodes)


def _flush(parts: list[_Part]) -> None:
    """Take the smallest indentation of any line off every line (`<<-`)."""
    least: int | None = None
    adjust: list[_Part] = []
    line_start = True
    for part in parts:
        if line_start:
            line_start = False
            spaces = 0
            if part.kind == "text":
                trimmed = part.text.lstrip(SPACE)
                if not trimmed and part.text.endswith("\n"):
                    spaces = -1  # a blank line sets no indentation
                else:
                    spaces = len(part.text) - len(trimmed)
                    adjust.append(part)
            if spaces >= 0 and (least is None or spaces < least):
                least = spaces
        if part.kind == "text" and part.text.endswith("\n"):
            line_start = True
    if least:
        for part in adjust:
            part.text = part.text[least:]
