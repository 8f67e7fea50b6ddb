"""Values of a template's variables: the server's, and those of tfvars files (reference 1.4, 4.5)."""

from __future__ import annotations

import json
from collections.abc import Iterable

from coder_admin.parameters import gotext
from coder_admin.parameters.model import Note, warning
from coder_admin.terraform import FileSystem
from coder_admin.terraform.config.tfvars import read_tfvars
from coder_admin.terraform.convert import ConversionError, convert
from coder_admin.terraform.types import NUMBER
from coder_admin.terraform.values import Value, boolean, from_python, string


class VariableError(ValueError):
    """A variable's text does not fit its type; the text names the variable."""


def server_value(name: str, kind: str, text: str) -> Value:
    """The value that a stored text stands for. Raises VariableError (1.4)."""
    match kind:
        case "" | "string":
            return string(text)
        case "number":
            try:
                return convert(string(text), NUMBER)
            except ConversionError:
                raise VariableError(f'Variable "{name}": "{text}" is not a number.') from None
        case "bool":
            flag = gotext.parse_bool(text)
            if flag is None:
                raise VariableError(f'Variable "{name}": "{text}" is not a bool, use true or false.')
            return boolean(flag)
    try:
        return from_python(json.loads(text))
    except (ValueError, RecursionError):
        raise VariableError(f'Variable "{name}" of type {kind} needs a JSON text.') from None


def server_values(rows: Iterable[tuple[str, str, str, str]]) -> dict[str, Value]:
    """Values by name from (name, type, value, default) rows; one with neither text is left out."""
    return {
        name: server_value(name, kind, value or default)
        for name, kind, value, default in rows
        if value or default
    }


def texts_for_engine(rows: Iterable[tuple[str, str, bool]], files: FileSystem) -> dict[str, str]:
    """The texts that a build's engine is given, from (name, value, required) rows.

    An empty one means that the author gave none (1.4): the variable is left out, for what the engine is given
    wins over defaults and tfvars files. A required variable that no tfvars file sets was given as empty.
    """
    texts: dict[str, str] = {}
    empty = []
    for name, value, required in rows:
        if value:
            texts[name] = value
        elif required:
            empty.append(name)
    if empty:
        written, _, _ = read_tfvars(files, "")
        texts.update((name, "") for name in empty if name not in written)
    return texts


def stray_tfvars(files: FileSystem) -> list[Note]:
    """A warning for each tfvars file that Terraform does not read by itself: only ``terraform.tfvars`` and
    ``*.auto.tfvars`` of the root folder count (4.5)."""
    notes = []
    for path in files.walk(""):
        if not path.endswith((".tfvars", ".tfvars.json")) or path.startswith(".terraform/"):
            continue
        root = "/" not in path
        if root and (path.startswith("terraform.tfvars") or ".auto.tfvars" in path):
            continue
        if not files.read(path).strip():
            continue
        detail = f"{path} is not loaded: name it terraform.tfvars or *.auto.tfvars in the root folder."
        notes.append(warning("Variable file is ignored", detail))
    return notes
