"""Sections to declarations: arguments checked and compiled."""

from __future__ import annotations

from coder_admin.terraform.compile.compiler import compile_expression
from coder_admin.terraform.compile.core import Compiled, Resolver
from coder_admin.terraform.config.blocks import BodyCompiler
from coder_admin.terraform.config.declarations import (
    Check,
    Local,
    Located,
    ModuleCall,
    ModuleConfig,
    Output,
    Rule,
    Section,
    Variable,
)
from coder_admin.terraform.config.dependencies import depends_on
from coder_admin.terraform.config.names import ConstantResolver, ModuleResolver, Names, did_you_mean
from coder_admin.terraform.config.sections import Sections
from coder_admin.terraform.config.sections import section as section_of
from coder_admin.terraform.convert import ConversionError, convert
from coder_admin.terraform.diagnostics import DiagnosticError, Range, error
from coder_admin.terraform.environment import Env, Meter
from coder_admin.terraform.functions.registry import FunctionContext
from coder_admin.terraform.model import Budget
from coder_admin.terraform.syntax import tree
from coder_admin.terraform.syntax.source import SourceText
from coder_admin.terraform.typeexpr import TypeParser
from coder_admin.terraform.types import DYNAMIC
from coder_admin.terraform.values import Value, normalized

_RESERVED_VARIABLES = (
    "source",
    "version",
    "providers",
    "count",
    "for_each",
    "lifecycle",
    "depends_on",
    "locals",
)
_VARIABLE = ("type", "default", "description", "sensitive", "ephemeral", "nullable", "deprecated", "const")
_OUTPUT = ("value", "description", "sensitive", "ephemeral", "depends_on", "deprecated", "type")
_CALL_META = ("source", "version", "providers", "count", "for_each", "depends_on")


def constant(source: SourceText, node: tree.Node, *, functions: bool = False) -> Value:
    """The value of an expression that may name nothing. DiagnosticError when it does, or fails."""
    compiled = compile_expression(source, node, ConstantResolver(functions))
    if compiled.problems:
        raise DiagnosticError(compiled.problems[0])
    if compiled.constant is not None:
        return compiled.constant
    meter = Meter(Budget(steps=100_000, seconds=2.0))
    return compiled.run(Env(None, meter, FunctionContext(budget=meter)))


class Decoder:
    """Decodes one module's sections."""

    def __init__(self, directory: str, sections: Sections, display: str) -> None:
        self.sections = sections
        self.config = ModuleConfig(directory, diagnostics=sections.diagnostics)
        self.names = _names(sections, display)
        self.config.ephemerals = self.names.ephemerals
        self.resolver = ModuleResolver(self.names)

    def decode(self) -> ModuleConfig:
        """Everything that the module declares."""
        named = self.sections.named
        for name, section in named["variable"].items():
            self.config.variables[normalized(name)] = self.variable(normalized(name), section)
        for name, located in self.sections.locals.items():
            self.config.locals[normalized(name)] = self.local(normalized(name), located)
        for name, section in named["output"].items():
            self.config.outputs[normalized(name)] = self.output(normalized(name), section)
        bodies = BodyCompiler(self)
        for mode, kind in (("data", "data"), ("managed", "resource")):
            for section in named[kind].values():
                resource = bodies.resource("data" if mode == "data" else "managed", section)
                self.config.resources[(resource.mode, resource.key)] = resource
        for name, section in named["module"].items():
            self.config.calls[normalized(name)] = self.call(normalized(name), section)
        for name, section in named["check"].items():
            for source, block in section.blocks:
                if block.type == "data" and len(block.labels) == 2:
                    resource = bodies.resource("data", section_of(source, block))
                    self.config.resources[("data", resource.key)] = resource
            self.config.checks[name] = self.check(name, section)
        self.config.attribute_names = frozenset(self.sections.attribute_names)
        return self.config

    def report(self, summary: str, detail: str, where: Range, code: str = "") -> None:
        self.config.diagnostics.append(error(summary, detail, where, code))

    def compile(self, located: Located, resolver: Resolver | None = None) -> Compiled:
        """An argument's value; its static problems are reported here, once."""
        compiled = compile_expression(located.source, located.attribute.expr, resolver or self.resolver)
        self.config.diagnostics += compiled.problems
        return compiled

    def constant(self, section: Section, name: str) -> Value | None:
        """The value of an argument that may name nothing; None when absent or wrong (reported)."""
        located = section.attributes.get(name)
        if located is None:
            return None
        try:
            return constant(located.source, located.attribute.expr)
        except DiagnosticError as problem:
            self.config.diagnostics.append(problem.diagnostic)
            return None

    def text(self, section: Section, name: str) -> str:
        value = self.constant(section, name)
        return value.data if value is not None and isinstance(value.data, str) else ""

    def flag(self, section: Section, name: str, default: bool) -> bool:
        value = self.constant(section, name)
        if value is None or value.data is None or not value.is_known:
            return default
        if value.data in (True, "true"):
            return True
        if value.data in (False, "false"):
            return False
        where = section.attributes[name].value_range
        self.report("Unsuitable value type", "Unsuitable value: a bool is required", where)
        return default

    def expect(self, section: Section, arguments: tuple[str, ...], blocks: tuple[str, ...]) -> None:
        """Report arguments and blocks that the section does not know."""
        for name, located in section.attributes.items():
            if name not in arguments:
                hint = did_you_mean(name, arguments)
                self.report(
                    "Unsupported argument",
                    f'An argument named "{name}" is not expected here.{hint}',
                    located.range,
                )
        for source, block in section.blocks:
            if block.type not in blocks:
                self.sections.unsupported_block(source, block, blocks)

    def variable(self, name: str, section: Section) -> Variable:
        self.expect(section, _VARIABLE, ("validation",))
        if name in _RESERVED_VARIABLES:
            self.report(
                "Invalid variable name",
                f'The variable name "{name}" is reserved due to its special meaning inside module blocks.',
                section.range,
            )
        found = Variable(
            name,
            section.range,
            description=self.text(section, "description"),
            sensitive=self.flag(section, "sensitive", False),
            ephemeral=self.flag(section, "ephemeral", False),
            nullable=self.flag(section, "nullable", True),
        )
        kind = section.attributes.get("type")
        if kind is not None:
            self.variable_type(found, kind)
        self.variable_default(found, section)
        for source, block in section.blocks:
            if block.type == "validation":
                rule = self.rule(source, block, self.resolver)
                if rule is not None:
                    found.validations.append(rule)
        return found

    def variable_type(self, found: Variable, kind: Located) -> None:
        parser = TypeParser(kind.source, lambda node: constant(kind.source, node))
        try:
            found.type, found.defaults = parser.parse_variable_type(kind.attribute.expr)
        except DiagnosticError as problem:
            self.config.diagnostics.append(problem.diagnostic)
            return
        found.parse_strings = not found.type.is_primitive

    def variable_default(self, found: Variable, section: Section) -> None:
        located = section.attributes.get("default")
        if located is None:
            return
        value = self.constant(section, "default")
        if value is None:
            value = Value(DYNAMIC, None)  # wrong, and reported: the variable still counts as optional
        if value.data is None and not found.nullable:
            self.report(
                "Invalid default value for variable",
                "A null default value is not valid when nullable=false.",
                located.value_range,
            )
        try:
            found.default = convert(found.defaults.apply(value), found.type)
        except ConversionError as problem:
            found.default = value
            self.report(
                "Invalid default value for variable",
                f"This default value is not compatible with the variable's type constraint: {problem}.",
                located.value_range,
            )

    def local(self, name: str, located: Located) -> Local:
        return Local(name, located.range, self.compile(located))

    def output(self, name: str, section: Section) -> Output:
        for source, block in section.blocks:
            if block.type == "postcondition":
                self.report(
                    "Postconditions are not allowed",
                    "An output can have preconditions only.",
                    source.range(block.start, block.header_end),
                )
        self.expect(section, _OUTPUT, ("precondition", "postcondition"))
        located = section.attributes.get("value")
        if located is None:
            self.missing_argument("value", section)
        return Output(
            name,
            section.range,
            None if located is None else self.compile(located),
            self.text(section, "description"),
            self.flag(section, "sensitive", False),
            self.flag(section, "ephemeral", False),
            depends_on(self, section),
            self.rules(section, "precondition", self.resolver),
        )

    def missing_argument(self, name: str, section: Section) -> None:
        self.report(
            "Missing required argument",
            f'The argument "{name}" is required, but no definition was found.',
            section.range,
        )

    def call(self, name: str, section: Section) -> ModuleCall:
        repeat = self.repetition(section, "module")
        resolver = ModuleResolver(self.names, repeat)
        for source, block in section.blocks:
            if block.type in ("lifecycle", "locals", "provider"):
                self.report(
                    "Reserved block type name in module block",
                    f'Blocks of type "{block.type}" have no meaning in a module block.',
                    source.range(block.start, block.type_end),
                )
            else:
                self.sections.unsupported_block(source, block, ())
        self.check_source(section)
        found = ModuleCall(
            name,
            section.range,
            self.text(section, "source"),
            self.text(section, "version"),
            depends_on=depends_on(self, section),
        )
        for argument, located in section.attributes.items():
            if argument in ("count", "for_each"):
                compiled = self.compile(located)
                setattr(found, argument, compiled)
            elif argument == "source":
                found.source_range = located.value_range
            elif argument not in _CALL_META:
                found.arguments[normalized(argument)] = self.compile(located, resolver)
                found.argument_ranges[normalized(argument)] = located.range
        if repeat == "for_each":
            found.count = None
        return found

    def check_source(self, section: Section) -> None:
        """A module's source is a text, and one on disk has no versions."""
        located = section.attributes.get("source")
        if located is None:
            self.missing_argument("source", section)
            return
        if isinstance(located.attribute.expr, tree.Literal | tree.NumberLiteral | tree.TupleCons):
            value = self.config_constant(located)
            if not isinstance(value, str):
                self.report(
                    "Invalid module source address",
                    'The source of a module is a text, such as "./tools".',
                    located.value_range,
                )
            elif value.startswith(("./", "../")) and "version" in section.attributes:
                self.report(
                    "Invalid registry module source address",
                    f'A version belongs to a module of a registry, but "{value}" is a local directory. '
                    "Remove the argument version.",
                    located.value_range,
                )

    def config_constant(self, located: Located) -> object:
        """The plain data of a literal argument; None for anything else."""
        try:
            return constant(located.source, located.attribute.expr).data
        except DiagnosticError:
            return None

    def repetition(self, section: Section, what: str = "resource") -> str:
        """How a block is repeated: "", "count" or "for_each"; both at once is reported."""
        if "for_each" in section.attributes:
            if "count" in section.attributes:
                subject = "modules" if what == "module" else "resources"
                self.report(
                    'Invalid combination of "count" and "for_each"',
                    'The "count" and "for_each" meta-arguments are mutually-exclusive, only one should '
                    f"be used to be explicit about the number of {subject} to be created.",
                    section.attributes["for_each"].range,
                )
            return "for_each"
        return "count" if "count" in section.attributes else ""

    def rules(self, section: Section, kind: str, resolver: Resolver) -> list[Rule]:
        found = [self.rule(source, block, resolver) for source, block in section.blocks if block.type == kind]
        return [rule for rule in found if rule is not None]

    def rule(self, source: SourceText, block: tree.BlockNode, resolver: Resolver) -> Rule | None:
        """A block with a condition and an error message."""
        condition = block.body.attributes.get("condition")
        message = block.body.attributes.get("error_message")
        where = source.range(block.start, block.header_end)
        for name, attribute in (("condition", condition), ("error_message", message)):
            if attribute is None:
                self.report(
                    "Missing required argument",
                    f'The argument "{name}" is required, but no definition was found.',
                    where,
                )
        if condition is None or message is None:
            return None
        text = self.compile(Located(source, message), resolver)
        compiled = self.compile(Located(source, condition), resolver)
        if not compiled.references and not compiled.problems and not isinstance(condition.expr, tree.Broken):
            self.report(
                f"Invalid {block.type} expression",
                "The condition expression must refer to at least one object from elsewhere in the "
                "configuration, or else its result would not be checking anything.",
                compiled.range,
            )
            return None
        return Rule(compiled, text, compiled.range, where)

    def check(self, name: str, section: Section) -> Check:
        for source, block in section.blocks:
            if block.type not in ("assert", "data"):
                self.sections.unsupported_block(source, block, ("assert", "data"))
        rules = self.rules(section, "assert", self.resolver)
        if not any(block.type == "assert" for _, block in section.blocks):
            self.report("Zero assert blocks", "A check block needs at least one assert block.", section.range)
        return Check(name, section.range, rules)


def _names(sections: Sections, display: str) -> Names:
    def repeat(section: Section) -> str:
        if "for_each" in section.attributes:
            return "for_each"
        return "count" if "count" in section.attributes else ""

    resources = {("managed", normalized(key)): repeat(s) for key, s in sections.named["resource"].items()}
    resources |= {("data", normalized(key)): repeat(s) for key, s in sections.named["data"].items()}
    for section in sections.named["check"].values():
        for _, block in section.blocks:
            if block.type == "data" and len(block.labels) == 2:
                resources[("data", ".".join(label.text for label in block.labels))] = ""
    return Names(
        display,
        frozenset(normalized(name) for name in sections.named["variable"]),
        frozenset(normalized(name) for name in sections.locals),
        resources,
        {normalized(name): repeat(section) for name, section in sections.named["module"].items()},
        ephemerals=frozenset(normalized(name) for name in sections.named["ephemeral"]),
    )
