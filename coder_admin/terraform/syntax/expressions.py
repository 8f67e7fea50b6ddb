"""Expressions: precedence climbing over terms with postfix operators."""

from __future__ import annotations

from coder_admin.terraform.syntax import tokens as t
from coder_admin.terraform.syntax import tree
from coder_admin.terraform.syntax.templates import TemplateParser

_POSTFIX = frozenset({t.DOT, t.OBRACK})
_KEYWORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None}


class ExpressionParser(TemplateParser):
    """The part of the parser that reads expressions."""

    def parse_expression(self) -> tree.Node:
        """A conditional, or anything that binds tighter."""
        self.enter()
        start = self.start
        node = self.parse_binary(1)
        if self.peek() == t.QUESTION:
            node = self.parse_conditional(start, node)
        self.depth -= 1
        return node

    def parse_conditional(self, start: int, condition: tree.Node) -> tree.Node:
        """`? a : b`, and the chain `? a : c ? b : d`, after its first condition."""
        branches: list[tuple[tree.Node, tree.Node]] = []
        while True:
            self.pos += 1
            value = self.parse_expression()
            if self.peek() != t.COLON:
                self.fail(
                    "Missing false expression in conditional",
                    "The conditional operator (...?...:...) requires a false expression, delimited by a "
                    "colon.",
                )
            self.pos += 1
            branches.append((condition, value))
            self.peek()
            condition = self.parse_binary(1)
            if self.peek() != t.QUESTION:
                return tree.Conditional(start, self.previous_end, branches, condition)

    def parse_binary(self, level: int) -> tree.Node:
        """Operators of at least this precedence, left-associative; a chain of one level is one node."""
        self.peek()
        start = self.start
        node = self.parse_postfix()
        precedence = t.PRECEDENCE
        strength = precedence.get(self.peek(), 0)
        while strength >= level:
            chain: list[tuple[int, tree.Node]] = []
            here = strength
            while strength == here:
                operator = self.kinds[self.pos]
                self.pos += 1
                operand = self.parse_binary(here + 1)
                chain.append((operator, operand))
                strength = precedence.get(self.peek(), 0)
            node = tree.Binary(start, self.previous_end, node, chain)
        return node

    def parse_postfix(self) -> tree.Node:
        """A term and the attribute, index and splat operators after it."""
        node = self.parse_term()
        kind = self.peek()
        while kind in _POSTFIX:
            node = self.parse_dot(node) if kind == t.DOT else self.parse_bracket(node)
            kind = self.peek()
        return node

    def parse_dot(self, node: tree.Node) -> tree.Node:
        dot = self.start
        self.pos += 1
        kind = self.peek()
        if kind == t.IDENT:
            step = tree.AttributeStep(dot, self.ends[self.pos], self.token_text())
            self.pos += 1
            return _with_step(node, step)
        if kind == t.NUMBER:
            return _with_step(node, self.legacy_index(dot))
        if kind == t.STAR:
            self.pos += 1
            item = tree.SplatItem(dot, self.previous_end)
            each: tree.Node = item
            while self.peek() == t.DOT:
                inner = self.start
                self.pos += 1
                following = self.peek()
                if following == t.IDENT:
                    each = _with_step(each, tree.AttributeStep(inner, self.ends[self.pos], self.token_text()))
                    self.pos += 1
                elif following == t.NUMBER:
                    each = _with_step(each, self.legacy_index(inner))
                elif following == t.STAR:
                    self.fail(
                        "Nested splat expression not allowed",
                        "A splat expression (*) cannot be used inside another attribute-only splat "
                        "expression.",
                    )
                else:
                    self.fail("Invalid attribute name", "An attribute name is required after a dot.")
            return tree.Splat(node.start, self.previous_end, node, each, item)
        self.fail("Invalid attribute name", "An attribute name is required after a dot.")

    def legacy_index(self, dot: int) -> tree.IndexStep:
        """`.0`; the scanner takes the tail of `.0.1` for one number, which Terraform refuses as well."""
        start, end = self.starts[self.pos], self.ends[self.pos]
        text = self.text[start:end]
        if not text.isdigit():
            self.fail(
                "Invalid legacy index syntax",
                "When using the legacy index syntax, chaining two indexes together is not permitted. Use "
                "the proper index syntax instead, like [0][1].",
            )
        self.pos += 1
        return tree.IndexStep(dot, end, tree.NumberLiteral(start, end, text))

    def parse_bracket(self, node: tree.Node) -> tree.Node:
        bracket = self.start
        outer, self.newlines = self.newlines, False
        self.pos += 1
        if self.peek() == t.STAR:
            self.pos += 1
            if self.peek() != t.CBRACK:
                self.fail(
                    "Missing close bracket on splat index",
                    "The star for a full splat operator must be immediately followed by a closing "
                    'bracket ("]").',
                )
            self.pos += 1
            self.newlines = outer
            item = tree.SplatItem(bracket, self.previous_end)
            each: tree.Node = item
            kind = self.peek()
            self.enter()
            while kind in _POSTFIX:
                each = self.parse_dot(each) if kind == t.DOT else self.parse_bracket(each)
                kind = self.peek()
            self.depth -= 1
            return tree.Splat(node.start, self.previous_end, node, each, item)
        key = self.parse_expression()
        if self.peek() != t.CBRACK:
            self.fail(
                "Missing close bracket on index", 'The index operator must end with a closing bracket ("]").'
            )
        self.pos += 1
        self.newlines = outer
        end = self.previous_end
        if isinstance(key, tree.NumberLiteral):
            return _with_step(node, tree.IndexStep(bracket, end, key))
        if isinstance(key, tree.Literal) and isinstance(key.value, str):
            return _with_step(node, tree.IndexStep(bracket, end, key.value))
        return tree.Index(node.start, end, node, key)

    def parse_term(self) -> tree.Node:
        kind = self.peek()
        pos = self.pos
        start, end = self.starts[pos], self.ends[pos]
        if kind == t.IDENT:
            return self.parse_name()
        if kind == t.OQUOTE:
            return self.parse_quoted()
        if kind == t.NUMBER:
            self.pos += 1
            return tree.NumberLiteral(start, end, self.text[start:end])
        if kind == t.OBRACK:
            return self.parse_tuple()
        if kind == t.OBRACE:
            return self.parse_object()
        if kind == t.OHEREDOC:
            return self.parse_heredoc()
        if kind == t.OPAREN:
            outer, self.newlines = self.newlines, False
            self.pos += 1
            inner = self.parse_expression()
            if self.peek() != t.CPAREN:
                self.fail(
                    "Unbalanced parentheses", "Expected a closing parenthesis to terminate the expression."
                )
            self.pos += 1
            self.newlines = outer
            return tree.Parentheses(start, self.previous_end, inner)
        if kind in (t.MINUS, t.BANG):
            self.pos += 1
            self.enter()
            operand = self.parse_postfix()
            self.depth -= 1
            return tree.Unary(start, self.previous_end, kind, operand)
        if kind == t.EOF:
            self.fail(
                "Missing expression", "Expected the start of an expression, but found the end of the file."
            )
        if kind == t.INVALID and self.diagnostics:
            self.fail("Invalid expression", "This character is not the start of an expression.")
        self.fail(
            "Invalid expression",
            "Expected the start of an expression, but found an invalid expression token.",
        )

    def parse_name(self) -> tree.Node:
        """A keyword, a function call or the root of a traversal."""
        pos = self.pos
        start, end = self.starts[pos], self.ends[pos]
        name = self.text[start:end]
        self.pos += 1
        following = self.peek()
        if following in (t.OPAREN, t.DOUBLE_COLON):
            while self.kinds[self.pos] == t.DOUBLE_COLON:
                self.pos += 1
                if self.kinds[self.pos] != t.IDENT:
                    self.fail("Missing function name", 'A function name is required after "::".')
                name += f"::{self.token_text()}"
                end = self.ends[self.pos]
                self.pos += 1
                if self.peek() not in (t.OPAREN, t.DOUBLE_COLON):
                    self.fail(
                        "Missing open parenthesis", "A namespaced name is a function and must be called."
                    )
            return self.parse_call(name, start, end)
        if name in _KEYWORDS:
            return tree.Literal(start, end, _KEYWORDS[name])
        return tree.Traversal(start, end, name, [])

    def parse_call(self, name: str, start: int, name_end: int) -> tree.Node:
        """The arguments; the opening parenthesis is at hand."""
        outer, self.newlines = self.newlines, False
        self.pos += 1
        arguments: list[tree.Node] = []
        expand = False
        while self.peek() != t.CPAREN:
            arguments.append(self.parse_expression())
            kind = self.peek()
            if kind == t.COMMA:
                self.pos += 1
            elif kind == t.ELLIPSIS:
                expand = True
                self.pos += 1
                if self.peek() != t.CPAREN:
                    self.fail(
                        "Missing closing parenthesis",
                        "An expanded function argument (with ...) must be immediately followed by closing "
                        "parentheses.",
                    )
            elif kind != t.CPAREN:
                if kind == t.EOF:
                    self.fail(
                        "Unterminated function call",
                        "There is no closing parenthesis for this function call before the end of the file.",
                        start,
                        name_end,
                    )
                self.fail(
                    "Missing argument separator",
                    "A comma is required to separate each function argument from the next.",
                )
        self.pos += 1
        self.newlines = outer
        return tree.Call(start, self.previous_end, name, name_end, arguments, expand)

    def parse_tuple(self) -> tree.Node:
        start = self.start
        outer, self.newlines = self.newlines, False
        self.pos += 1
        if self.at_keyword("for"):
            node: tree.Node = self.parse_for(start, t.CBRACK)
        else:
            items: list[tree.Node] = []
            while self.peek() != t.CBRACK:
                items.append(self.parse_expression())
                kind = self.peek()
                if kind == t.COMMA:
                    self.pos += 1
                elif kind != t.CBRACK:
                    if kind == t.EOF:
                        self.fail(
                            "Unterminated tuple constructor expression",
                            "There is no corresponding closing bracket before the end of the file. This "
                            "may be caused by incorrect bracket nesting elsewhere in this file.",
                            start,
                            start + 1,
                        )
                    self.fail(
                        "Missing item separator", "Expected a comma to mark the beginning of the next item."
                    )
            self.pos += 1
            node = tree.TupleCons(start, self.previous_end, items)
        self.newlines = outer
        return node

    def parse_object(self) -> tree.Node:
        start = self.start
        outer = self.newlines
        self.pos += 1
        self.newlines = True
        if self.skip_newlines() == t.IDENT and self.token_text() == "for":
            self.newlines = False
            node: tree.Node = self.parse_for(start, t.CBRACE)
            self.newlines = outer
            return node
        items: list[tuple[tree.Node, tree.Node]] = []
        while self.skip_newlines() != t.CBRACE:
            key = self.parse_object_key()
            if self.peek() not in (t.EQUAL, t.COLON):
                self.missing_object_value(start)
            self.pos += 1
            items.append((key, self.parse_expression()))
            kind = self.peek()
            if kind == t.COMMA:
                self.pos += 1
            elif kind not in (t.NEWLINE, t.CBRACE):
                if kind == t.EOF:
                    self.unterminated_object(start)
                self.fail(
                    "Missing attribute separator",
                    "Expected a newline or comma to mark the beginning of the next attribute.",
                )
        self.pos += 1
        self.newlines = outer
        return tree.ObjectCons(start, self.previous_end, items)

    def parse_object_key(self) -> tree.Node:
        key = self.parse_expression()
        if isinstance(key, tree.Traversal) and not key.steps:
            return tree.Literal(key.start, key.end, key.root)
        if isinstance(key, tree.Literal) and not isinstance(key.value, str):
            return tree.Literal(key.start, key.end, self.text[key.start : key.end])
        return key

    def missing_object_value(self, start: int) -> None:
        kind = self.peek()
        if kind in (t.NEWLINE, t.COMMA):
            self.fail(
                "Missing attribute value",
                'Expected an attribute value, introduced by an equals sign ("=").',
            )
        if kind == t.EOF:
            self.unterminated_object(start)
        self.fail(
            "Missing key/value separator",
            'Expected an equals sign ("=") to mark the beginning of the attribute value.',
        )

    def unterminated_object(self, start: int) -> None:
        self.fail(
            "Unterminated object constructor expression",
            "There is no corresponding closing brace before the end of the file. This may be caused by "
            "incorrect brace nesting elsewhere in this file.",
            start,
            start + 1,
        )

    def parse_for(self, start: int, close: int) -> tree.Node:
        """A for-expression; the word `for` is at hand."""
        self.pos += 1
        key_name, value_name = self.parse_for_names("expression")
        collection = self.parse_expression()
        if self.peek() != t.COLON:
            self.fail(
                "Invalid 'for' expression", "For expression requires a colon after the collection expression."
            )
        self.pos += 1
        key: tree.Node | None = None
        value = self.parse_expression()
        grouped = False
        condition: tree.Node | None = None
        if self.peek() == t.ARROW:
            if close == t.CBRACK:
                self.fail("Invalid 'for' expression", "Key expression is not valid when building a tuple.")
            self.pos += 1
            key, value = value, self.parse_expression()
        elif close == t.CBRACE:
            self.fail("Invalid 'for' expression", "Key expression is required when building an object.")
        if self.peek() == t.ELLIPSIS:
            if close == t.CBRACK:
                self.fail(
                    "Invalid 'for' expression",
                    'Grouping ellipsis ("...") cannot be used when building a tuple.',
                )
            grouped = True
            self.pos += 1
        if self.at_keyword("if"):
            self.pos += 1
            condition = self.parse_expression()
        if self.peek() != close:
            self.fail("Invalid 'for' expression", "Extra characters after the end of the 'for' expression.")
        self.pos += 1
        return tree.For(
            start, self.previous_end, key_name, value_name, collection, key, value, condition, grouped
        )


def _with_step(node: tree.Node, step: tree.Step) -> tree.Node:
    """The node with one more step; a traversal grows instead of nesting."""
    if isinstance(node, tree.Traversal | tree.RelativeTraversal):
        node.steps.append(step)
        node.end = step.end
        return node
    return tree.RelativeTraversal(node.start, step.end, node, [step])
