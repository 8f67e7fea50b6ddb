"""Paths and files of the module: abspath, basename, dirname, pathexpand, file and its relatives, fileset,
templatefile, templatestring.

Files are read only through the context's FileSystem, which knows nothing outside the module's archive.
"""

from __future__ import annotations

import base64
import posixpath
import re
from collections.abc import Callable, Sequence

from ..convert import ConversionError, convert
from ..types import BOOL, DYNAMIC, STRING, set_type
from ..values import Value, boolean, set_of, string, unknown
from .encoding import decode_utf8
from .globbing import matcher
from .hashing import TEXT_HASHES
from .registry import FunctionContext, FunctionError, Parameter, function

_PATH = Parameter("path", STRING)
_NAME = re.compile(r"[\w][\w-]*")


def read_file(path: str, context: FunctionContext) -> bytes:
    """The file's content. FunctionError about the path when it cannot be read."""
    if context.files is None:
        raise FunctionError("no files can be read here", 0)
    try:
        data = context.files.read(posixpath.join(context.directory, path))
    except IsADirectoryError:
        raise FunctionError(f'failed to read "{path}": it is a directory', 0) from None
    except FileNotFoundError:
        raise FunctionError(
            f'no file exists at "{path}"; a file that is read must be part of the template', 0
        ) from None
    except OSError as error:
        raise FunctionError(f'failed to read "{path}": {error}', 0) from None
    context.budget.check_size(len(data))
    return data


def read_text(path: str, context: FunctionContext) -> str:
    data = read_file(path, context)
    return decode_utf8(data, f'the content of "{path}", which filebase64 can read, ')


@function("file", _PATH, returns=STRING)
def _file(args: Sequence[Value], context: FunctionContext) -> Value:
    return string(read_text(args[0].data, context))


@function("filebase64", _PATH, returns=STRING)
def _filebase64(args: Sequence[Value], context: FunctionContext) -> Value:
    return string(base64.b64encode(read_file(args[0].data, context)).decode())


@function("fileexists", _PATH, returns=BOOL)
def _fileexists(args: Sequence[Value], context: FunctionContext) -> Value:
    path: str = args[0].data
    if context.files is None:
        raise FunctionError("no files can be read here", 0)
    full = posixpath.join(context.directory, path)
    try:
        if context.files.is_dir(full):
            raise FunctionError(f'"{path}" is a directory, not a file')
        return boolean(context.files.exists(full))
    except OSError:
        return boolean(False)


def _file_hash(name: str, digest: Callable[[bytes], str]) -> None:
    @function(name, _PATH, returns=STRING)
    def _call(args: Sequence[Value], context: FunctionContext) -> Value:
        try:
            data = read_file(args[0].data, context)
        except FunctionError as error:
            raise FunctionError(error.message) from None  # the call fails, as in Terraform
        return string(digest(data))


for _name, _digest in TEXT_HASHES.items():
    _file_hash("filebase64" + _name.removeprefix("base64") if "base64" in _name else "file" + _name, _digest)


@function("fileset", _PATH, Parameter("pattern", STRING), returns=set_type(STRING))
def _fileset(args: Sequence[Value], context: FunctionContext) -> Value:
    base, pattern = args[0].data, args[1].data
    if context.files is None:
        raise FunctionError("no files can be read here", 0)
    root = posixpath.normpath(posixpath.join(context.directory, base))
    found: list[Value] = []
    matches = matcher(posixpath.normpath(pattern) if pattern else pattern)
    try:
        for path in context.files.walk("" if root == "." else root):
            context.budget.spend(1)
            if matches(path):
                found.append(string(path))
    except OSError:
        found = []
    return set_of(found, STRING)


@function("basename", _PATH, returns=STRING)
def _basename(args: Sequence[Value], context: FunctionContext) -> Value:
    path: str = args[0].data
    if not path:
        return string(".")
    return string(path.rstrip("/").rpartition("/")[2] or "/")


@function("dirname", _PATH, returns=STRING)
def _dirname(args: Sequence[Value], context: FunctionContext) -> Value:
    head = args[0].data[: args[0].data.rfind("/") + 1]
    return string(clean_path(head))


@function("abspath", _PATH, returns=STRING)
def _abspath(args: Sequence[Value], context: FunctionContext) -> Value:
    return string(clean_path(posixpath.join(context.cwd, args[0].data)))


@function("pathexpand", _PATH, returns=STRING)
def _pathexpand(args: Sequence[Value], context: FunctionContext) -> Value:
    path: str = args[0].data
    if not path.startswith("~"):
        return string(path)
    if len(path) > 1 and path[1] != "/":
        raise FunctionError("the home of another user cannot be expanded")
    if context.home is None:
        raise FunctionError("there is no home directory while a template is only looked at")
    return string(clean_path(context.home + path[1:]))


def clean_path(path: str) -> str:
    """The shortest path of the same meaning, as Go's filepath.Clean."""
    clean = posixpath.normpath(path) if path else "."
    return clean[1:] if clean.startswith("//") else clean


@function(
    "templatefile",
    _PATH,
    Parameter("vars", DYNAMIC, unknown=True, dynamic=True, marked=True),
    not_null=False,
)
def _templatefile(args: Sequence[Value], context: FunctionContext) -> Value:
    path: str = args[0].data
    if not args[1].is_known:
        return unknown(DYNAMIC).with_marks(args[1].marks)
    return _rendered("templatefile", read_text(path, context), path, args[1], context)


@function(
    "templatestring",
    Parameter("template", STRING),
    Parameter("vars", DYNAMIC, unknown=True, dynamic=True, marked=True),
    not_null=False,
)
def _templatestring(args: Sequence[Value], context: FunctionContext) -> Value:
    if not args[1].is_known:
        return unknown(DYNAMIC).with_marks(args[1].marks)
    text: str = args[0].data
    result = _rendered("templatestring", text, "<templatestring argument>", args[1], context)
    try:
        return convert(result, STRING)
    except ConversionError as error:
        raise FunctionError(f"the template's result is no text: {error}") from None


def _rendered(name: str, text: str, filename: str, variables: Value, context: FunctionContext) -> Value:
    if not isinstance(variables.data, dict):
        raise FunctionError("invalid vars value: must be a map", 1)
    for variable in variables.data:
        if not _NAME.fullmatch(variable) or variable[0].isdigit():
            raise FunctionError(
                f'invalid template variable name "{variable}": must start with a letter, followed by zero or '
                "more letters, digits, and underscores",
                1,
            )
    if context.render_template is None:
        raise FunctionError("no templates can be rendered here")
    if context.rendering:
        raise FunctionError(f"cannot recursively call {name} from inside another template")
    context.rendering = True
    try:
        result = context.render_template(text, filename, variables.data)
    except FunctionError as error:
        if error.arg_index == 0 and name == "templatefile":  # the file is wrong, not its path
            raise FunctionError(error.message) from None
        raise
    finally:
        context.rendering = False
    return result.with_marks(variables.marks)
