"""Terraform's configuration language: read, compile and evaluate modules, without Terraform.

The package stands alone: standard library, google-re2 and a YAML reader, no Django. It knows no resource
type of Coder or of a cloud; values for blocks come from a `Provider`.
"""

from coder_admin.terraform.diagnostics import (
    Diagnostic,
    DiagnosticError,
    Position,
    Range,
    has_errors,
)
from coder_admin.terraform.evaluation.result import Evaluation
from coder_admin.terraform.filesystem import (
    DirectoryFileSystem,
    FileSystem,
    MemoryFileSystem,
    OutsideModuleError,
)
from coder_admin.terraform.model import (
    Block,
    BlockContent,
    Budget,
    EvalContext,
    Instance,
    Key,
    Lifecycle,
    Mode,
    Provider,
)
from coder_admin.terraform.module import Module, evaluate, load_module
from coder_admin.terraform.values import (
    Value,
    boolean,
    from_python,
    list_of,
    map_of,
    null,
    number,
    object_,
    set_of,
    string,
    to_python,
    to_text,
    tuple_,
    unknown,
)

__all__ = [
    "Block",
    "BlockContent",
    "Budget",
    "Diagnostic",
    "DiagnosticError",
    "DirectoryFileSystem",
    "EvalContext",
    "Evaluation",
    "FileSystem",
    "Instance",
    "Key",
    "Lifecycle",
    "MemoryFileSystem",
    "Mode",
    "Module",
    "OutsideModuleError",
    "Position",
    "Provider",
    "Range",
    "Value",
    "boolean",
    "evaluate",
    "from_python",
    "has_errors",
    "list_of",
    "load_module",
    "map_of",
    "null",
    "number",
    "object_",
    "set_of",
    "string",
    "to_python",
    "to_text",
    "tuple_",
    "unknown",
]
