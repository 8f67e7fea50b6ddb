"""What a function of the language is, and how one is called: cty's calling convention.

`call_function` checks the number of arguments, converts them to the parameters' types, answers null, unknown
and marked arguments as each parameter asks, and only then runs the function. So most functions see plain
known values and say nothing about the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from ..convert import ConversionError, convert
from ..filesystem import FileSystem
from ..numbers import NumberError
from ..types import DYNAMIC, Type
from ..values import DYNAMIC_UNKNOWN, NOT_NULL, UNREFINED, Refinement, Value, unknown


class FunctionError(Exception):
    """A call that fails. `arg_index` is the argument at fault, or None for the call as a whole.

    `summary` and `detail` are the diagnostic's two texts, filled in by `call_function`. `arguments_wanted` is
    set when there are too few or too many arguments: how many the function takes at least or at most.
    """

    def __init__(self, message: str, arg_index: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.arg_index = arg_index
        self.arguments_wanted: int | None = None
        self.summary = "Error in function call"
        self.detail = message


class BudgetHook(Protocol):
    """What a function asks before it makes something large. Both raise the caller's own error."""

    def spend(self, steps: int) -> None:
        """Account for `steps` elements or characters handled."""

    def check_size(self, size: int) -> None:
        """A text of `size` characters, or a collection of `size` elements, is about to be made."""


class _DefaultBudget:
    """Sizes bounded, steps not counted: for callers without a budget of their own."""

    def spend(self, steps: int) -> None:
        pass

    def check_size(self, size: int) -> None:
        if size > MAX_SIZE:
            raise FunctionError(
                f"the result would have {size} characters or elements; {MAX_SIZE} are allowed"
            )


MAX_SIZE = 8 * 1024 * 1024
MAX_NODES = 1_000_000
MAX_DEPTH = 300

RenderTemplate = Callable[[str, str, Mapping[str, Value]], Value]


@dataclass(slots=True, weakref_slot=True)
class FunctionContext:
    """What functions reach outside their arguments.

    `directory` is the module's folder within `files` (file functions resolve relative paths from it; "" is
    the root). `now` None: timestamp() and the others that differ from run to run give unknown values.
    `render_template(text, filename, variables)` renders a template for templatefile and templatestring;
    `rendering` is true meanwhile, so that a template that renders a template is refused (hand this same
    context to the functions that the template calls). `cwd` and `home`: what abspath and pathexpand go by.
    """

    files: FileSystem | None = None
    directory: str = ""
    now: datetime | None = None
    budget: BudgetHook = field(default_factory=_DefaultBudget)
    render_template: RenderTemplate | None = None
    cwd: str = "/"
    home: str | None = "/home/coder"
    rendering: bool = False


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: its name and type, and which special arguments the function wants to see itself.

    Left False: a null is refused; an unknown argument makes the result unknown; an argument whose type is not
    known makes the result's type unknown; marks are taken off and put on the result.
    """

    name: str
    type: Type = DYNAMIC
    null: bool = False
    unknown: bool = False
    dynamic: bool = False
    marked: bool = False


Implementation = Callable[[Sequence[Value], FunctionContext], Value]
ReturnType = Callable[[Sequence[Value]], Type]


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the language. `returns` is its result's type, or computes it from the arguments (which
    may be unknown). `not_null`: an unknown result is known not to be null."""

    name: str
    params: tuple[Parameter, ...]
    variadic: Parameter | None
    call: Implementation
    returns: Type | ReturnType = DYNAMIC
    not_null: bool = True

    def parameter(self, index: int) -> Parameter | None:
        """The parameter that the argument at `index` belongs to."""
        return self.params[index] if index < len(self.params) else self.variadic

    def return_type(self, args: Sequence[Value]) -> Type:
        return self.returns if isinstance(self.returns, Type) else self.returns(args)


FUNCTIONS: dict[str, Function] = {}


def function(
    name: str,
    *params: Parameter,
    variadic: Parameter | None = None,
    returns: Type | ReturnType = DYNAMIC,
    not_null: bool = True,
) -> Callable[[Implementation], Implementation]:
    """Register the decorated implementation as the language's function `name`."""

    def register(call: Implementation) -> Implementation:
        FUNCTIONS[name] = Function(name, params, variadic, call, returns, not_null)
        return call

    return register


def find_function(name: str) -> Function | None:
    """The function of that name; `core::name` is the same as `name`."""
    return FUNCTIONS.get(name.removeprefix("core::"))


def call_function(name: str, args: Sequence[Value], context: FunctionContext) -> Value:
    """Call the function `name` with these arguments. FunctionError: it refuses them; KeyError: none such."""
    function = FUNCTIONS[name.removeprefix("core::")]
    try:
        return call(function, args, context)
    except FunctionError as error:
        _describe(error, name, function)
        raise
    except NumberError as problem:  # a number that is read or computed is beyond all bounds
        refused = FunctionError(str(problem))
        _describe(refused, name, function)
        raise refused from None


def _describe(error: FunctionError, name: str, function: Function) -> None:
    message = error.message.rstrip(".")
    if error.arg_index is None:
        if error.summary == "Error in function call":
            error.detail = f'Call to function "{name}" failed: {message}.'
        return
    parameter = function.parameter(error.arg_index)
    error.summary = "Invalid function argument"
    error.detail = f'Invalid value for "{parameter.name if parameter else "?"}" parameter: {message}.'


def check_arity(function: Function, name: str, count: int) -> None:
    """FunctionError when `count` arguments are too few or too many."""
    params = function.params
    if len(params) <= count and (function.variadic is not None or count == len(params)):
        return
    if count < len(params):
        least = "at least " if function.variadic is not None else ""
        error = FunctionError(
            f'Function "{name}" expects {least}{len(params)} argument(s). '
            f'Missing value for "{params[count].name}".'
        )
        error.summary = "Not enough function arguments"
    else:
        error = FunctionError(f'Function "{name}" expects only {len(params)} argument(s).')
        error.summary = "Too many function arguments"
    error.arguments_wanted = len(params)
    error.detail = error.message
    raise error


def call(function: Function, args: Sequence[Value], context: FunctionContext) -> Value:
    """As `call_function`, for a function at hand."""
    check_arity(function, function.name, len(args))
    params = function.params
    fixed = len(params)
    marks = 0
    open_type = open_value = False
    null_at: int | None = None
    ready: list[Value] = []
    for index, given in enumerate(args):
        parameter = params[index] if index < fixed else function.variadic
        if parameter is None:  # check_arity has refused it
            break
        if given.size > MAX_NODES or given.depth > MAX_DEPTH:
            raise FunctionError(_too_large(given), index)
        value = _fitted(given, parameter, index)
        if value.data is None and not parameter.null and null_at is None:
            null_at = index
        if not parameter.marked and value.deep_marks:
            marks |= value.deep_marks
            value = value.deeply_unmarked()
        if type(value.data) is Refinement:
            open_type = open_type or (value.type is DYNAMIC and not parameter.dynamic)
            open_value = open_value or not parameter.unknown
        ready.append(value)
    if null_at is not None:  # a type that does not fit is reported first
        raise FunctionError("argument must not be null", null_at)
    if open_type:
        result = DYNAMIC_UNKNOWN
    elif open_value:
        result = unknown(function.return_type(ready), NOT_NULL if function.not_null else UNREFINED)
    else:
        result = function.call(ready, context)
    return result.with_marks(marks) if marks else result


def _too_large(value: Value) -> str:
    if value.depth > MAX_DEPTH:
        return f"the value is nested more than {MAX_DEPTH} levels deep"
    return f"the value consists of more than {MAX_NODES} parts"


def _fitted(value: Value, parameter: Parameter, index: int) -> Value:
    if value.type is not parameter.type and parameter.type is not DYNAMIC:
        try:
            value = convert(value, parameter.type)
        except ConversionError as error:
            raise FunctionError(str(error), index) from None
    return value
