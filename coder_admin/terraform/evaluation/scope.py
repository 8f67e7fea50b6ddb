"""What the expressions of one module instance see: its variables, locals, resources and module calls."""

from __future__ import annotations

import posixpath
import weakref
from collections.abc import Iterable

from coder_admin.terraform.config.declarations import Resource
from coder_admin.terraform.config.loader import ModuleNode
from coder_admin.terraform.diagnostics import Diagnostic, DiagnosticError, error
from coder_admin.terraform.model import Instance, Key
from coder_admin.terraform.operators import get_attribute
from coder_admin.terraform.values import DYNAMIC_UNKNOWN, Value, object_, tuple_


def key_text(key: Key) -> str:
    """`[0]`, `["a"]` or nothing, as an address writes it."""
    if key is None:
        return ""
    if isinstance(key, int):
        return f"[{key}]"
    escaped = key.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'["{escaped}"]'


class ResourceState:
    """The instances of one resource block in one module instance.

    The value of an instance is what the provider answered. Without an answer only the written arguments are
    known, and every other attribute is unknown.
    """

    __slots__ = ("_whole", "expanded", "instances", "names", "repeat", "resource")

    def __init__(self, resource: Resource, repeat: str, names: Iterable[str]) -> None:
        self.resource = resource
        self.repeat = repeat
        self.names = names
        self.instances: dict[Key, Instance] = {}
        self.expanded = True  # False while count or for_each is unknown
        self._whole: Value | None = None

    def attribute(self, key: Key, name: str) -> Value:
        """An attribute of one instance. DiagnosticError when there is no such instance or attribute."""
        if not self.expanded:
            return DYNAMIC_UNKNOWN
        if isinstance(key, str) and self.repeat == "count" and key.isdigit():
            key = int(key)
        elif isinstance(key, int) and self.repeat == "for_each":
            key = str(key)
        instance = self.instances.get(key)
        if instance is None:
            raise DiagnosticError(self._no_instance(key))
        value = instance.value
        if value is None:
            return instance.config.attributes.get(name, DYNAMIC_UNKNOWN)
        data = value.data
        if type(data) is dict and name not in data:
            raise DiagnosticError(
                error(
                    "Unsupported attribute",
                    f'This object has no argument, nested block, or exported attribute named "{name}".',
                )
            )
        return get_attribute(value, name)

    def _no_instance(self, key: Key) -> Diagnostic:
        detail = "The given key does not identify an element in this collection value"
        if isinstance(key, int):
            detail += (
                ": the collection has no elements"
                if not self.instances
                else ": the given index is greater than or equal to the length of the collection"
            )
        return error("Invalid index", f"{detail}.")

    def whole(self) -> Value:
        """The resource as one value: an object, or a tuple (count) or object (for_each) of them."""
        if not self.expanded:
            return DYNAMIC_UNKNOWN
        if self._whole is None:
            self._whole = self._make_whole()
        return self._whole

    def _make_whole(self) -> Value:
        if not self.repeat:
            instance = self.instances.get(None)
            return DYNAMIC_UNKNOWN if instance is None else self.instance_value(instance)
        values = {key: self.instance_value(instance) for key, instance in self.instances.items()}
        if self.repeat == "count":
            return tuple_(list(values.values()))
        return object_({str(key): value for key, value in values.items()})

    def instance_value(self, instance: Instance) -> Value:
        """An instance as an object; attributes that nobody knows are there as far as some expression asks."""
        if instance.value is not None:
            return instance.value
        unknown: dict[str, Value] = dict.fromkeys(self.names, DYNAMIC_UNKNOWN)
        return object_({**unknown, "id": DYNAMIC_UNKNOWN, **instance.config.attributes})


class ModuleState:
    """The instances of one module call in one module instance. `scopes` is empty for a missing module."""

    __slots__ = ("expanded", "missing", "repeat", "scopes")

    def __init__(self, repeat: str, *, missing: bool) -> None:
        self.repeat = repeat
        self.missing = missing
        self.expanded = True
        self.scopes: dict[Key, Scope] = {}

    def copy(self, scopes: dict[Key, Scope]) -> ModuleState:
        """The same expansion with other scopes."""
        made = ModuleState(self.repeat, missing=self.missing)
        made.expanded = self.expanded
        made.scopes = scopes
        return made

    def whole(self) -> Value:
        """The module as one value: an object of outputs, or a tuple or object of them."""
        if self.missing or not self.expanded:
            return DYNAMIC_UNKNOWN
        values = {key: object_(scope.outputs) for key, scope in self.scopes.items()}
        if not self.repeat:
            return values.get(None, DYNAMIC_UNKNOWN)
        if self.repeat == "count":
            return tuple_(list(values.values()))
        return object_({str(key): value for key, value in values.items()})


class Scope:
    """One instance of a module.

    Nothing below it holds it: an evaluation that is given up goes at once, since each keystroke in a form
    gives one up and the collector of cycles would stop all forms to find them.
    """

    __slots__ = (
        "__weakref__",
        "_parent",
        "address",
        "count_index",
        "each_key",
        "each_value",
        "locals",
        "module",
        "modules",
        "outputs",
        "path",
        "resources",
        "root_directory",
        "unknown_key",
        "variables",
        "workspace",
    )

    def __init__(self, module: ModuleNode, address: str, workspace: str, parent: Scope | None) -> None:
        self.module = module
        self.address = address
        # What path.module is: the way from the root module's directory to this one's.
        self.root_directory: str = self.directory if parent is None else parent.root_directory
        self.path = posixpath.relpath(self.directory or ".", self.root_directory or ".")
        self.workspace = workspace
        self._parent = None if parent is None else weakref.ref(parent)
        self.variables: dict[str, Value] = {}
        self.locals: dict[str, Value] = {}
        self.outputs: dict[str, Value] = {}
        self.resources: dict[tuple[str, str], ResourceState] = {}
        self.modules: dict[str, ModuleState] = {}
        # How this instance's call was repeated: its arguments see these.
        self.count_index: Value | None = None
        self.each_key: Value | None = None
        self.each_value: Value | None = None
        self.unknown_key = False

    def copy(self, parent: Scope | None) -> Scope:
        """A scope with the same values so far, below another parent; its module calls are not copied."""
        made = Scope.__new__(Scope)
        made.module, made.address, made.path = self.module, self.address, self.path
        made.root_directory, made.workspace = self.root_directory, self.workspace
        made._parent = None if parent is None else weakref.ref(parent)
        made.variables, made.locals = self.variables.copy(), self.locals.copy()
        made.outputs, made.resources = self.outputs.copy(), self.resources.copy()
        made.modules = {}
        made.count_index, made.each_key, made.each_value = self.count_index, self.each_key, self.each_value
        made.unknown_key = self.unknown_key
        return made

    @property
    def parent(self) -> Scope | None:
        """The instance that calls this one's module; None of the root module."""
        return None if self._parent is None else self._parent()

    @property
    def directory(self) -> str:
        return self.module.config.directory

    def prefixed(self, address: str) -> str:
        """An address within the module as an address from the root."""
        return f"{self.address}.{address}" if self.address else address
