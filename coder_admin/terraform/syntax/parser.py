"""Bodies of blocks: arguments and nested blocks, and going on after a mistake."""

from __future__ import annotations

from dataclasses import dataclass

from coder_admin.terraform.diagnostics import Diagnostic, error
from coder_admin.terraform.syntax import tokens as t
from coder_admin.terraform.syntax import tree
from coder_admin.terraform.syntax.expressions import ExpressionParser
from coder_admin.terraform.syntax.reader import MAX_DIAGNOSTICS, TOO_DEEP, SyntaxProblem
from coder_admin.terraform.syntax.scanner import scan, scan_template
from coder_admin.terraform.syntax.source import SourceText


@dataclass(slots=True)
class ParsedFile:
    """One file: its text, its tree (what could be read of it) and what was wrong."""

    source: SourceText
    body: tree.Body
    diagnostics: list[Diagnostic]


@dataclass(slots=True)
class ParsedExpression:
    """One expression or template; `node` is None when it could not be read."""

    source: SourceText
    node: tree.Node | None
    diagnostics: list[Diagnostic]


class _GiveUp(Exception):
    """So many mistakes that more would not help."""


class BodyParser(ExpressionParser):
    """The whole parser."""

    recovering = False

    def parse_body(self, opened: int | None) -> tree.Body:
        """Items up to the closing brace (which is read) or the end of the file.

        `opened` is the offset of the brace that opened the body, None for a file.
        """
        body = tree.Body(self.start, self.start)
        while True:
            kind = self.kinds[self.pos]
            if kind == t.NEWLINE:
                self.pos += 1
                continue
            if kind == t.EOF:
                if opened is not None:
                    self.report(
                        "Unclosed configuration block",
                        "There is no closing brace for this block before the end of the file. This may be "
                        "caused by incorrect brace nesting elsewhere in this file.",
                        opened,
                        opened + 1,
                    )
                break
            if kind == t.CBRACE and opened is not None:
                self.pos += 1
                break
            self.parse_item(body)
        body.end = self.previous_end
        return body

    def parse_item(self, body: tree.Body) -> None:
        """One argument or block; a mistake in it is noted, and reading goes on after it."""
        first = self.pos
        depth = self.depth
        try:
            self.read_item(body)
        except (SyntaxProblem, RecursionError) as problem:
            # After a mistake, a line that starts like no item is most likely the rest of the one before.
            if not (self.recovering and self.kinds[first] != t.IDENT):
                self.diagnostics.append(self.diagnosed(problem))
            self.recovering = True
            self.depth = depth
            self.newlines = True
            self.keep_name(body, first)
            self.recover(first)
        else:
            self.recovering = False
        if len(self.diagnostics) >= MAX_DIAGNOSTICS:
            raise _GiveUp

    def diagnosed(self, problem: SyntaxProblem | RecursionError) -> Diagnostic:
        """The diagnostic of a problem.

        Many levels of operators, within the allowed nesting of brackets, can use up the interpreter's stack
        when the caller has used most of it already.
        """
        if isinstance(problem, SyntaxProblem):
            return problem.diagnostic
        where = self.source.range(self.start, self.ends[self.pos])
        return error(TOO_DEEP, "Split this expression into several local values.", where, "budget")

    def keep_name(self, body: tree.Body, first: int) -> None:
        """When the item that failed was an argument, the body still has it, with an unknown value."""
        if self.kinds[first] != t.IDENT or self.kinds[first + 1] != t.EQUAL:
            return
        start, end = self.starts[first], self.ends[first]
        name = self.text[start:end]
        value = tree.Broken(self.starts[first + 1], self.ends[first + 1])
        body.attributes.setdefault(name, tree.Attribute(name, start, end, self.ends[first + 1], value))

    def read_item(self, body: tree.Body) -> None:
        start = self.start
        kind = self.kinds[self.pos]
        if kind != t.IDENT:
            if kind == t.OQUOTE:
                self.fail("Invalid argument name", "Argument names must not be quoted.")
            self.fail(
                "Argument or block definition required", "An argument or block definition is required here."
            )
        name = self.token_text()
        self.pos += 1
        following = self.kinds[self.pos]
        if following == t.EQUAL:
            attribute = self.read_attribute(name, start)
            self.end_of_item("argument", "An argument definition must end with a newline.")
            self.add_attribute(body, attribute)
        elif following in (t.OBRACE, t.OQUOTE, t.IDENT):
            body.blocks.append(self.read_block(name, start))
            self.end_of_item("block definition", "A block definition must end with a newline.")
        else:
            self.fail(
                "Argument or block definition required",
                "An argument or block definition is required here. To set an argument, use the equals sign "
                '"=" to introduce the argument value.',
                start,
                self.previous_end,
            )

    def read_attribute(self, name: str, start: int) -> tree.Attribute:
        name_end = self.previous_end
        self.pos += 1
        expr = self.parse_expression()
        return tree.Attribute(name, start, name_end, self.previous_end, expr)

    def add_attribute(self, body: tree.Body, attribute: tree.Attribute) -> None:
        before = body.attributes.get(attribute.name)
        if before is not None:
            where = self.source.range(before.start, before.name_end)
            self.report(
                "Attribute redefined",
                f'The argument "{attribute.name}" was already set at {where}. Each argument may be set '
                f"only once.",
                attribute.start,
                attribute.name_end,
            )
            return
        body.attributes[attribute.name] = attribute

    def end_of_item(self, what: str, rule: str) -> None:
        kind = self.kinds[self.pos]
        if kind == t.NEWLINE:
            self.pos += 1
        elif kind != t.EOF:
            if kind == t.COMMA and what == "argument":
                self.fail(
                    "Unexpected comma after argument",
                    f"Argument definitions must be separated by newlines, not commas. {rule}",
                )
            if self.cut_string():
                while self.kinds[self.pos] != t.QUOTED_NEWLINE:
                    self.pos += 1
                self.multi_line_string()
            self.fail(f"Missing newline after {what}", rule)

    def read_block(self, name: str, start: int) -> tree.BlockNode:
        type_end = self.previous_end
        labels: list[tree.Label] = []
        kind = self.kinds[self.pos]
        while kind != t.OBRACE:
            if kind == t.IDENT:
                labels.append(tree.Label(self.token_text(), self.start, self.ends[self.pos]))
                self.pos += 1
            elif kind == t.OQUOTE:
                labels.append(self.read_quoted_label())
            else:
                self.bad_block_header(kind)
            kind = self.kinds[self.pos]
        header_end = self.previous_end
        opened = self.start
        self.pos += 1
        self.enter()
        block = tree.BlockNode(name, labels, tree.Body(opened, opened), start, type_end, header_end, opened)
        if self.kinds[self.pos] in (t.NEWLINE, t.EOF, t.CBRACE):
            block.body = self.parse_body(opened)
        else:
            block.body = self.read_single_line_body(opened)
        self.depth -= 1
        block.end = self.previous_end
        return block

    def read_quoted_label(self) -> tree.Label:
        start = self.start
        node = self.parse_quoted()
        if not isinstance(node, tree.Literal):
            self.fail(
                "Invalid string literal",
                'Template sequences are not allowed in this string. To include a literal "$", double it '
                '(as "$$") to escape it.',
                node.start,
                node.end,
            )
        return tree.Label(str(node.value), start, self.previous_end)

    def bad_block_header(self, kind: int) -> None:
        detail = 'Either a quoted string block label or an opening brace ("{") is expected here.'
        if kind == t.EQUAL:
            detail = (
                'The equals sign "=" indicates an argument definition, and must not be used when defining a '
                "block."
            )
        elif kind == t.NEWLINE:
            detail = (
                'A block definition must have block content delimited by "{" and "}", starting on the '
                "same line as the block header."
            )
        self.fail("Invalid block definition", detail)

    def read_single_line_body(self, opened: int) -> tree.Body:
        """`{ name = value }`: exactly one argument."""
        body = tree.Body(opened, opened)
        summary = "Invalid single-argument block definition"
        if self.kinds[self.pos] != t.IDENT:
            self.fail(
                "Argument or block definition required", "An argument or block definition is required here."
            )
        start, name = self.start, self.token_text()
        self.pos += 1
        if self.kinds[self.pos] != t.EQUAL:
            if self.kinds[self.pos] in (t.OBRACE, t.OQUOTE, t.IDENT):
                self.fail(
                    summary,
                    "A single-line block definition can contain only a single argument. If you meant to "
                    "define nested blocks, put each on a line of its own.",
                    start,
                    self.previous_end,
                )
            self.fail(
                "Argument or block definition required",
                'To set an argument, use the equals sign "=" to introduce the argument value.',
                start,
                self.previous_end,
            )
        attribute = self.read_attribute(name, start)
        body.attributes[name] = attribute
        kind = self.kinds[self.pos]
        if kind == t.COMMA:
            self.fail(
                summary,
                "Single-line block syntax can include only one argument definition. To define multiple "
                "arguments, use the multi-line block syntax with one argument definition per line.",
            )
        if kind == t.NEWLINE:
            self.fail(
                summary,
                "An argument definition on the same line as its containing block creates a single-line "
                "block definition, which must also be closed on the same line. Place the block's closing "
                "brace immediately after the argument definition.",
            )
        if kind != t.CBRACE:
            self.fail(
                summary,
                "A single-line block definition must end with a closing brace immediately after its "
                "single argument definition.",
            )
        self.pos += 1
        body.end = self.previous_end
        return body

    def recover(self, first: int) -> None:
        """Go to the end of the item that started at token `first`.

        That is the first newline after the token in hand where every bracket opened in the item is
        closed. When a bracket was never closed, the item ends before a line that starts as an item or closing
        brace does, no further right than the item itself.
        """
        kinds = self.kinds
        level = 0
        last = len(kinds) - 1
        margin = self.margin(first)
        at = first
        while at < last:
            kind = kinds[at]
            if kind in t.OPENERS:
                level += 1
            elif kind in t.CLOSERS:
                level -= 1
                if level < 0:
                    if kind == t.CBRACE:  # closes the body around the item
                        if at <= first:
                            at += 1
                        break
                    level = 0
            elif kind == t.QUOTED_NEWLINE:
                level = max(0, level - 1)
            elif kind == t.NEWLINE:
                if at >= self.pos and level <= 0:
                    at += 1
                    break
                if at >= self.pos - 1 and self.looks_like_item(at + 1, margin):
                    at += 1
                    break
            at += 1
        self.pos = max(at, min(first + 1, last))

    def margin(self, pos: int) -> int:
        """Column (from 0) of a token."""
        start = self.starts[pos]
        return start - (self.text.rfind("\n", 0, start) + 1)

    def looks_like_item(self, pos: int, margin: int) -> bool:
        kind = self.kinds[pos]
        if kind == t.CBRACE:
            return self.margin(pos) < margin
        if kind != t.IDENT or self.margin(pos) > margin:
            return False
        following = self.kinds[pos + 1]
        return following == t.EQUAL or following in (t.OBRACE, t.OQUOTE) or following == t.IDENT


def parse_config(source: SourceText) -> ParsedFile:
    """A configuration file (.tf, .tfvars). Never raises on bad text: see the diagnostics."""
    parser = BodyParser(scan(source))
    body = tree.Body(0, len(source.text))
    try:
        while parser.kinds[parser.pos] != t.EOF:
            if parser.kinds[parser.pos] == t.NEWLINE:
                parser.pos += 1
            else:
                parser.parse_item(body)
    except _GiveUp:
        pass
    return ParsedFile(source, body, parser.diagnostics)


def parse_expression(source: SourceText) -> ParsedExpression:
    """A text that is one expression; newlines around it are fine."""
    parser = BodyParser(scan(source))
    node: tree.Node | None = None
    try:
        parser.skip_newlines()
        node = parser.parse_expression()
        if parser.skip_newlines() != t.EOF:
            parser.fail(
                "Extra characters after expression",
                "An expression was successfully parsed, but extra characters were found after it.",
            )
    except (SyntaxProblem, RecursionError) as problem:
        parser.diagnostics.append(parser.diagnosed(problem))
    return ParsedExpression(source, None if parser.diagnostics else node, parser.diagnostics)


def parse_template(source: SourceText) -> ParsedExpression:
    """A text that is a template as a whole."""
    parser = BodyParser(scan_template(source))
    node: tree.Node | None = None
    try:
        node = parser.parse_bare_template()
    except (SyntaxProblem, RecursionError) as problem:
        parser.diagnostics.append(parser.diagnosed(problem))
    return ParsedExpression(source, None if parser.diagnostics else node, parser.diagnostics)
