"""Kinds of tokens. Plain integers: the parser compares them a few thousand times for each file."""

from __future__ import annotations

from typing import Final

EOF: Final = 0
NEWLINE: Final = 1
IDENT: Final = 2
NUMBER: Final = 3
OQUOTE: Final = 4
CQUOTE: Final = 5
STRING: Final = 6  # literal characters of a quoted template, escapes not yet resolved
OHEREDOC: Final = 7
CHEREDOC: Final = 8
TEXT: Final = 9  # literal characters of a heredoc or bare template
INTERP: Final = 10  # ${ or ${~
CONTROL: Final = 11  # %{ or %{~
SEQ_END: Final = 12  # } or ~}
QUOTED_NEWLINE: Final = 13
OBRACE: Final = 14
CBRACE: Final = 15
OBRACK: Final = 16
CBRACK: Final = 17
OPAREN: Final = 18
CPAREN: Final = 19
DOT: Final = 20
COMMA: Final = 21
ELLIPSIS: Final = 22
COLON: Final = 23
DOUBLE_COLON: Final = 24
QUESTION: Final = 25
EQUAL: Final = 26
ARROW: Final = 27
OR: Final = 28
AND: Final = 29
EQUAL_OP: Final = 30
NOT_EQUAL: Final = 31
LESS: Final = 32
LESS_EQUAL: Final = 33
GREATER: Final = 34
GREATER_EQUAL: Final = 35
PLUS: Final = 36
MINUS: Final = 37
STAR: Final = 38
SLASH: Final = 39
PERCENT: Final = 40
BANG: Final = 41
INVALID: Final = 42

PUNCTUATION: Final[dict[str, int]] = {
    "{": OBRACE,
    "}": CBRACE,
    "[": OBRACK,
    "]": CBRACK,
    "(": OPAREN,
    ")": CPAREN,
    ".": DOT,
    ",": COMMA,
    "...": ELLIPSIS,
    ":": COLON,
    "::": DOUBLE_COLON,
    "?": QUESTION,
    "=": EQUAL,
    "=>": ARROW,
    "||": OR,
    "&&": AND,
    "==": EQUAL_OP,
    "!=": NOT_EQUAL,
    "<": LESS,
    "<=": LESS_EQUAL,
    ">": GREATER,
    ">=": GREATER_EQUAL,
    "+": PLUS,
    "-": MINUS,
    "*": STAR,
    "/": SLASH,
    "%": PERCENT,
    "!": BANG,
}

OPENERS: Final = frozenset({OBRACE, OBRACK, OPAREN, OQUOTE, OHEREDOC, INTERP, CONTROL})
CLOSERS: Final = frozenset({CBRACE, CBRACK, CPAREN, CQUOTE, CHEREDOC, SEQ_END})

# Binding strength of the binary operators, loosest first.
PRECEDENCE: Final[dict[int, int]] = {
    OR: 1,
    AND: 2,
    EQUAL_OP: 3,
    NOT_EQUAL: 3,
    LESS: 4,
    LESS_EQUAL: 4,
    GREATER: 4,
    GREATER_EQUAL: 4,
    PLUS: 5,
    MINUS: 5,
    STAR: 6,
    SLASH: 6,
    PERCENT: 6,
}
