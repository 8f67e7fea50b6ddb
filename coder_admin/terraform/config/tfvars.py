"""Values of the root module's variables from terraform.tfvars and *.auto.tfvars."""

from __future__ import annotations

import posixpath

from coder_admin.terraform.config.decode import constant
from coder_admin.terraform.config.loader import parse_file
from coder_admin.terraform.diagnostics import Diagnostic, DiagnosticError, Range, error
from coder_admin.terraform.filesystem import FileSystem
from coder_admin.terraform.values import Value, normalized


def tfvars_names(files: FileSystem, directory: str) -> list[str]:
    """The files that count, later ones over earlier ones."""
    names = files.list(directory)
    fixed = [name for name in ("terraform.tfvars", "terraform.tfvars.json") if name in names]
    auto = sorted(name for name in names if name.endswith((".auto.tfvars", ".auto.tfvars.json")))
    return fixed + auto


def read_tfvars(
    files: FileSystem, directory: str
) -> tuple[dict[str, Value], dict[str, Range], list[Diagnostic]]:
    """Values by variable name, where they are written, and what was wrong with the files."""
    values: dict[str, Value] = {}
    ranges: dict[str, Range] = {}
    diagnostics: list[Diagnostic] = []
    for name in tfvars_names(files, directory):
        path = posixpath.join(directory, name) if directory else name
        try:
            data = files.read(path)
        except OSError as problem:
            diagnostics.append(error("Failed to read file", f"The file {path} could not be read: {problem}."))
            continue
        file = parse_file(path, data)
        diagnostics += file.diagnostics
        for block in file.body.blocks:
            diagnostics.append(
                error(
                    f'Unexpected "{block.type}" block',
                    f'Blocks are not allowed here; to give the variable "{block.type}" an object, write '
                    f"{block.type} = {{ … }}.",
                    file.source.range(block.start, block.type_end),
                )
            )
        for variable, attribute in file.body.attributes.items():
            expr = attribute.expr
            try:
                values[normalized(variable)] = constant(file.source, expr)
            except DiagnosticError as problem:
                diagnostics.append(problem.diagnostic)
            else:
                ranges[normalized(variable)] = file.source.range(expr.start, expr.end)
    return values, ranges, diagnostics
