"""Values for input variables: from strings, through defaults and type constraints, to what `var.x` is."""

from __future__ import annotations

from coder_admin.terraform.config.declarations import Variable
from coder_admin.terraform.config.decode import constant
from coder_admin.terraform.convert import ConversionError, convert
from coder_admin.terraform.diagnostics import Diagnostic, DiagnosticError, Range, error
from coder_admin.terraform.syntax.parser import parse_expression
from coder_admin.terraform.syntax.source import SourceText
from coder_admin.terraform.typeexpr import value_type
from coder_admin.terraform.values import EPHEMERAL, NULL, SENSITIVE, Value, null, string, unknown


VARIABLE = "variable"  # the code of what is wrong with a value that was given for a variable


def parse_text(variable: Variable, text: str) -> Value:
    """The value of a variable given as text, as on a command line: literal, or an expression for types that
    are no primitive. DiagnosticError for a bad expression."""
    if not variable.parse_strings:
        return string(text)
    source = SourceText(f"<value for var.{variable.name}>", text)
    parsed = parse_expression(source)
    if parsed.node is None:
        raise DiagnosticError(parsed.diagnostics[0])
    return constant(source, parsed.node)


def marked(variable: Variable, value: Value) -> Value:
    marks = (SENSITIVE if variable.sensitive else 0) | (EPHEMERAL if variable.ephemeral else 0)
    return value.with_marks(marks) if marks else value


def unset(variable: Variable) -> Value:
    """What stands for a variable that has neither value nor default: unknown, of its type."""
    return marked(variable, unknown(value_type(variable.type)))


def final_value(
    variable: Variable, given: Value | None, where: Range | None, *, module: str
) -> tuple[Value, Diagnostic | None]:
    """The value that `var.NAME` has when `given` is passed (None: nothing is), and what is wrong with it.

    module: address of the module instance, for messages.
    """
    if given is None or (given.data is None and not variable.nullable):
        if variable.default is not None:
            given = variable.default
        elif given is not None:
            title = _title(variable, module)
            detail = f"The given value is not suitable for {title}: required variable may not be set to null."
            return unset(variable), error(
                "Required variable not set", detail, where or variable.range, _code(module)
            )
        else:
            return unset(variable), None
    if given is variable.default:
        return marked(variable, given), None
    try:
        value = convert(variable.defaults.apply(given), variable.type)
    except ConversionError as problem:
        detail = f"The given value is not suitable for {_title(variable, module)}: {problem}."
        return unset(variable), error(
            "Invalid value for input variable", detail, where or variable.range, _code(module)
        )
    if value is NULL:
        value = null(value_type(variable.type))
    return marked(variable, value), None


def _code(module: str) -> str:
    """Values of the root module's variables come from outside of the template."""
    return "" if module else VARIABLE


def _title(variable: Variable, module: str) -> str:
    prefix = f"{module}." if module else ""
    return f"{prefix}var.{variable.name} declared at {variable.range}"


def missing(variable: Variable) -> Diagnostic:
    """The error for a root variable that must be given and is not."""
    return error(
        "No value for required variable",
        f'The root module input variable "{variable.name}" is not set, and has no default value. Give it '
        "a value with --var or in a .tfvars file.",
        variable.range,
    )
