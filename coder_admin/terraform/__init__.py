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

__all__ = [
    "Block",
    "BlockContent",
    "Budget",
    "Diagnostic",
    "DiagnosticError",
    "DirectoryFileSystem",
    "EvalContext",
    "FileSystem",
    "Instance",
    "Key",
    "Lifecycle",
    "MemoryFileSystem",
    "Mode",
    "OutsideModuleError",
    "Position",
    "Provider",
    "Range",
    "has_errors",
]
