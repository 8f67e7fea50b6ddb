"""What the names in a module's expressions mean: var.x, local.y, data.t.n, module.m.out, each.key, …"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from coder_admin.terraform.compile.core import Reference, Run, StaticProblem
from coder_admin.terraform.config import readers
from coder_admin.terraform.environment import Env
from coder_admin.terraform.syntax import tree
from coder_admin.terraform.values import DYNAMIC_UNKNOWN, Value, normalized, string

# What a block of these types may hold, and what references to it may ask for.
BUILTIN_ARGUMENTS: dict[str, tuple[str, ...]] = {"terraform_data": ("input", "triggers_replace")}
BUILTIN_ATTRIBUTES: dict[str, frozenset[str]] = {
    "terraform_data": frozenset({"id", "input", "output", "triggers_replace"}),
}
_RESERVED = ("template", "lazy", "arg")


@dataclass(frozen=True, slots=True)
class Names:
    """Everything that a module declares, by name; `display` names the module in messages.

    resources: (mode, "TYPE.NAME") to "", "count" or "for_each". modules: name to the same.
    """

    display: str
    variables: frozenset[str]
    locals: frozenset[str]
    resources: dict[tuple[str, str], str]
    modules: dict[str, str]
    ephemerals: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ModuleResolver:
    """Resolves names in one place of a module.

    repeat: how the place is repeated: "", count or for_each.
    iterators: names that dynamic blocks around it give.
    """

    names: Names
    repeat: str = ""
    self_allowed: bool = False
    iterators: frozenset[str] = frozenset()

    def with_iterator(self, name: str) -> ModuleResolver:
        """The same place within a dynamic block of this iterator."""
        return replace(self, iterators=self.iterators | {name})

    def check_function(self, name: str) -> None:
        """All functions are fine in a module's expressions."""

    def resolve(self, traversal: tree.Traversal) -> tuple[Run, int, Reference | None]:
        root = traversal.root
        if root in self.iterators:
            return readers.from_names(root), 0, None
        if root == "var":
            return self._variable(traversal)
        if root == "local":
            return self._local(traversal)
        if root == "module":
            return self._module(traversal)
        if root == "data":
            return self._resource("data", traversal, 0)
        if root == "resource":
            return self._resource("managed", traversal, 0)
        if root == "ephemeral":
            return self._ephemeral(traversal)
        if root == "path":
            return self._path(traversal)
        if root == "terraform":
            return self._terraform(traversal)
        if root in ("count", "each", "self"):
            return self._repetition(traversal)
        if root in _RESERVED:
            raise StaticProblem(
                "Reserved symbol name",
                f'The name "{root}" is reserved. If a provider has a resource type of this name, write '
                f'"resource.{root}" to mean that.',
            )
        if not traversal.steps:
            raise StaticProblem(
                "Invalid reference",
                "A reference to a resource type must be followed by at least one attribute access, "
                "specifying the resource name.",
            )
        return self._resource("managed", traversal, -1)

    def _variable(self, traversal: tree.Traversal) -> tuple[Run, int, Reference]:
        name = _attribute(traversal, 0)
        if name not in self.names.variables:
            hint = did_you_mean(name, self.names.variables) or (
                f' This variable can be declared with a variable "{name}" {{}} block.'
            )
            raise StaticProblem(
                "Reference to undeclared input variable",
                f'An input variable with the name "{name}" has not been declared.{hint}',
            )

        def run(env: Env) -> Value:
            scope = env.scope
            return DYNAMIC_UNKNOWN if scope is None else scope.variables[name]

        return run, 1, Reference("var", name, text=f"var.{name}")

    def _local(self, traversal: tree.Traversal) -> tuple[Run, int, Reference]:
        name = _attribute(traversal, 0)
        if name not in self.names.locals:
            hint = did_you_mean(name, self.names.locals)
            raise StaticProblem(
                "Reference to undeclared local value",
                f'A local value with the name "{name}" has not been declared.{hint}',
            )

        def run(env: Env) -> Value:
            scope = env.scope
            return DYNAMIC_UNKNOWN if scope is None else scope.locals[name]

        return run, 1, Reference("local", name, text=f"local.{name}")

    def _module(self, traversal: tree.Traversal) -> tuple[Run, int, Reference]:
        name = _attribute(traversal, 0)
        if name not in self.names.modules:
            hint = did_you_mean(name, self.names.modules)
            raise StaticProblem(
                "Reference to undeclared module",
                f'No module call named "{name}" is declared in {self.names.display}.{hint}',
            )
        repeat = self.names.modules[name]
        steps = traversal.steps
        if repeat == "count" and len(steps) > 1 and isinstance(steps[1], tree.AttributeStep):
            raise StaticProblem(
                "Unsupported attribute",
                "Can't access attributes on a list of objects. Did you mean to access attribute "
                f'"{steps[1].name}" '
                "for a specific element of the list, or across all elements of the list?",
            )
        after = 2 if repeat and len(steps) > 1 and isinstance(steps[1], tree.IndexStep) else 1
        output: str | None = None
        if (not repeat or after == 2) and len(steps) > after:
            step = steps[after]
            output = readers.step_name(step)

        def run(env: Env) -> Value:
            scope = env.scope
            return DYNAMIC_UNKNOWN if scope is None else scope.modules[name].whole()

        return run, 1, Reference("module", name, output, f"module.{name}")

    def _resource(self, mode: str, traversal: tree.Traversal, at: int) -> tuple[Run, int, Reference]:
        """`at` is the index of the step that names the type, -1 when the root does."""
        kind = traversal.root if at < 0 else _attribute(traversal, at, mode)
        name = _attribute(traversal, at + 1, kind)
        key = (mode, f"{kind}.{name}")
        address = f"data.{kind}.{name}" if mode == "data" else f"{kind}.{name}"
        repeat = self.names.resources.get(key)
        if repeat is None:
            raise StaticProblem("Reference to undeclared resource", self._undeclared(mode, kind, name))
        used = at + 2
        _check_key(traversal, used, repeat, address)
        _check_builtin(traversal, used, kind, repeat)
        read, taken = readers.resource_reader(key, repeat, traversal.steps[used:])
        return read, used + taken, Reference(mode, key[1], text=address)

    def _ephemeral(self, traversal: tree.Traversal) -> tuple[Run, int, Reference | None]:
        """Ephemeral resources are never opened: what one holds is unknown, and must not be kept anywhere."""
        kind, name = _attribute(traversal, 0), _attribute(traversal, 1)
        if f"{kind}.{name}" not in self.names.ephemerals:
            raise StaticProblem(
                "Reference to undeclared resource",
                f'An ephemeral resource "{kind}" "{name}" has not been declared in {self.names.display}.',
            )
        return readers.ephemeral, len(traversal.steps), None

    def _undeclared(self, mode: str, kind: str, name: str) -> str:
        what = "data" if mode == "data" else "managed"
        detail = f'A {what} resource "{kind}" "{name}" has not been declared in {self.names.display}.'
        other = "managed" if mode == "data" else "data"
        if (other, f"{kind}.{name}") in self.names.resources:
            found = f"{kind}.{name}" if other == "managed" else f"data.{kind}.{name}"
            return (
                f"{detail}\n\nDid you mean the {'data ' if other == 'data' else 'managed '}resource {found}?"
            )
        same_type = [
            key[len(kind) + 1 :]
            for m, key in self.names.resources
            if m == mode and key.startswith(f"{kind}.")
        ]
        return detail + did_you_mean(name, same_type)

    def _path(self, traversal: tree.Traversal) -> tuple[Run, int, Reference]:
        name = _attribute(traversal, 0)
        if name not in ("module", "root", "cwd"):
            raise StaticProblem(
                'Invalid "path" attribute', f'The "path" object does not have an attribute named "{name}".'
            )

        def run(env: Env) -> Value:
            if name == "module" and env.scope is not None:
                return string(env.scope.path)
            return string(".")

        return run, 1, Reference("path", name)

    def _terraform(self, traversal: tree.Traversal) -> tuple[Run, int, Reference]:
        name = _attribute(traversal, 0)
        if name not in ("workspace", "applying"):
            raise StaticProblem(
                'Invalid "terraform" attribute',
                f'The "terraform" object does not have an attribute named "{name}".',
            )

        def run(env: Env) -> Value:
            if name == "workspace" and env.scope is not None:
                return string(env.scope.workspace)
            return DYNAMIC_UNKNOWN

        return run, 1, Reference("terraform", name)

    def _repetition(self, traversal: tree.Traversal) -> tuple[Run, int, Reference | None]:
        root = traversal.root
        if root == "self":
            if not self.self_allowed:
                raise StaticProblem(
                    'Invalid "self" reference',
                    'The "self" object is not available in this context. This object can be used only in '
                    "resource provisioner, connection, and postcondition blocks.",
                )
            return readers.itself, 0, Reference("self", "")
        name = _attribute(traversal, 0)
        if root == "count":
            if name != "index":
                raise StaticProblem(
                    'Invalid "count" attribute',
                    f'The "count" object does not have an attribute named "{name}". The only supported '
                    "attribute is count.index, which is the index of each instance of a resource block "
                    "that has the "
                    '"count" '
                    "argument set.",
                )
            if self.repeat != "count":
                raise StaticProblem(
                    'Reference to "count" in non-counted context',
                    'The "count" object can only be used in "module", "resource", and "data" blocks, and '
                    "only when "
                    'the "count" argument is set.',
                )
            return readers.count_index, 1, Reference("count", name)
        if name not in ("key", "value"):
            raise StaticProblem(
                'Invalid "each" attribute',
                f'The "each" object does not have an attribute named "{name}". The supported attributes '
                f"are each.key "
                'and each.value, the current key and value pair of the "for_each" attribute set.',
            )
        if self.repeat != "for_each":
            raise StaticProblem(
                "each.value cannot be used in this context"
                if name == "value"
                else 'Reference to "each" in context without for_each',
                'The "each" object can be used only in "module" or "resource" blocks, and only when the '
                '"for_each" '
                "argument is set.",
            )
        return (readers.each_key if name == "key" else readers.each_value), 1, Reference("each", name)


@dataclass(frozen=True, slots=True)
class ConstantResolver:
    """For places where nothing may be named: defaults, sources, tfvars files."""

    functions: bool = False

    def resolve(self, traversal: tree.Traversal) -> tuple[Run, int, Reference | None]:
        raise StaticProblem("Variables not allowed", "Variables may not be used here.")

    def check_function(self, name: str) -> None:
        if not self.functions:
            raise StaticProblem("Function calls not allowed", "Functions may not be called here.")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence that suggests a near name, with a blank before it, or nothing."""
    close = difflib.get_close_matches(name, list(known), 1, 0.7)
    return f' Did you mean "{close[0]}"?' if close else ""


def _attribute(traversal: tree.Traversal, at: int, what: str = "") -> str:
    """The name in an attribute step; StaticProblem when there is none."""
    if len(traversal.steps) > at:
        step = traversal.steps[at]
        if isinstance(step, tree.AttributeStep):
            return normalized(step.name)
        raise StaticProblem(
            "Invalid reference",
            f'The "{traversal.root}" object does not support this operation; a name must follow as an '
            f"attribute.",
        )
    if traversal.root in ("data", "resource") or at > 0 or what:
        raise StaticProblem(
            "Invalid reference",
            f'The "{traversal.root}" object must be followed by two attribute names: the type and the '
            "resource name.",
        )
    raise StaticProblem(
        "Invalid reference",
        f'The "{traversal.root}" object cannot be accessed directly. Instead, access one of its attributes.',
    )


def _check_key(traversal: tree.Traversal, at: int, repeat: str, address: str) -> None:
    """A reference to something repeated needs a key, one to something single must not have one."""
    if len(traversal.steps) <= at:
        return
    step = traversal.steps[at]
    if repeat and isinstance(step, tree.AttributeStep):
        example = "[each.key]" if repeat == "for_each" else "[count.index]"
        raise StaticProblem(
            "Missing resource instance key",
            f'Because {address} has "{repeat}" set, its attributes must be accessed on specific '
            "instances.\n\nFor example, to correlate with indices of a referring resource, use:\n    "
            f"{address}{example}",
        )
    if not repeat and isinstance(step, tree.IndexStep):
        raise StaticProblem(
            "Unexpected resource instance key",
            f'Because {address} does not have "count" or "for_each" set, references to it must not '
            "include an index key. Remove the bracketed index to refer to the single instance of this "
            "resource.",
        )


def _check_builtin(traversal: tree.Traversal, at: int, kind: str, repeat: str) -> None:
    """Attributes of the types that are part of the language itself are known before any evaluation."""
    known = BUILTIN_ATTRIBUTES.get(kind)
    if known is None:
        return
    if repeat:
        at += 1
    if len(traversal.steps) > at:
        step = traversal.steps[at]
        if isinstance(step, tree.AttributeStep) and step.name not in known:
            raise StaticProblem(
                "Unsupported attribute",
                f'This object has no argument, nested block, or exported attribute named "{step.name}".',
            )
