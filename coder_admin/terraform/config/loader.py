"""Loading: files of a directory to a compiled ModuleConfig, module calls to a tree of modules.

Parsing and compiling are cached for the process by content: the same file or directory content is never read
twice, whoever asks.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field

from coder_admin.terraform.cache import BoundedCache
from coder_admin.terraform.config.declarations import ModuleCall, ModuleConfig
from coder_admin.terraform.config.decode import Decoder
from coder_admin.terraform.config.overriding import is_override, merged, previewed
from coder_admin.terraform.diagnostics import Diagnostic, error, warning
from coder_admin.terraform.filesystem import FileSystem, FileTooLargeError, OutsideModuleError, normalize
from coder_admin.terraform.syntax.json_body import parse_json_config
from coder_admin.terraform.syntax.parser import ParsedFile, parse_config
from coder_admin.terraform.syntax.scanner import only_in_comments
from coder_admin.terraform.syntax.source import BAD_ENCODING, decode
from coder_admin.terraform.syntax.tree import Body

MAX_MODULE_DEPTH = 20
MAX_MODULES = 300
MODULES_MANIFEST = ".terraform/modules/modules.json"

# Caches are bounded by bytes of source. Over the real templates of the case sets (9 KB each) a byte of source
# costs 32 bytes of memory with tree, compiled code and graph: 300 templates fit, in about 100 MB.
CACHED_SOURCE_BYTES = 3 * 1024 * 1024
_FILES: BoundedCache[tuple[str, str], ParsedFile] = BoundedCache(CACHED_SOURCE_BYTES)
_CONFIGS: BoundedCache[tuple[object, ...], ModuleConfig] = BoundedCache(CACHED_SOURCE_BYTES)


def clear_caches() -> None:
    """Forget all files and directories read so far."""
    _FILES.clear()
    _CONFIGS.clear()


@dataclass(slots=True, eq=False)
class ModuleNode:
    """A module in the tree of calls. `path` holds the names of the calls that lead to it."""

    path: tuple[str, ...]
    config: ModuleConfig
    call: ModuleCall | None = None
    children: dict[str, ModuleNode] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """`module.a.module.b`, or nothing for the root."""
        return ".".join(f"module.{name}" for name in self.path)

    def walk(self) -> Iterator[ModuleNode]:
        """This module and all below it, parents first."""
        stack = [self]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(reversed(node.children.values()))


class Loader:
    """Loads one tree."""

    def __init__(self, files: FileSystem, root: str, *, preview: bool = False) -> None:
        self.files = files
        self.preview = preview
        self.root = normalize(root)
        self.diagnostics: list[Diagnostic] = []
        self.installed = self.read_manifest()
        self.count = 0
        self.size = 0  # bytes of configuration read
        self.fingerprint: list[str] = []

    def load(self) -> ModuleNode:
        """The root module with all below it."""
        if not self.config_names(self.root):
            where = self.root or "."
            self.diagnostics.append(
                error(
                    "No configuration files",
                    f"The directory {where} contains no Terraform configuration files (*.tf or *.tf.json).",
                )
            )
        node = ModuleNode((), self.config(self.root, "the root module"))
        self.load_children(node, (self.root,))
        return node

    def load_children(self, root: ModuleNode, directories: tuple[str, ...]) -> None:
        queue = [(root, directories)]
        while queue:
            node, above = queue.pop(0)
            for call in node.config.calls.values():
                directory = self.directory_of(node, call, above)
                if directory is None:
                    continue
                self.count += 1
                if self.count > MAX_MODULES:
                    self.diagnostics.append(
                        error(
                            "Too many modules",
                            f"A template may hold {MAX_MODULES} modules.",
                            call.range,
                            "budget",
                        )
                    )
                    return
                child = ModuleNode(
                    (*node.path, call.name), self.config(directory, f"the module at {directory}"), call
                )
                node.children[call.name] = child
                queue.append((child, (*above, directory)))

    def directory_of(self, node: ModuleNode, call: ModuleCall, above: tuple[str, ...]) -> str | None:
        """The directory of a called module within the archive; None, and a diagnostic, when there is none."""
        where = call.source_range or call.range
        if len(above) > MAX_MODULE_DEPTH:
            self.diagnostics.append(
                error(
                    "Modules nested too deeply",
                    f"Modules may be nested {MAX_MODULE_DEPTH} deep.",
                    where,
                    "budget",
                )
            )
            return None
        if call.source.startswith(("./", "../")) or call.source in (".", ".."):
            return self.local_directory(node, call, above)
        key = ".".join((*node.path, call.name))
        directory = self.installed.get(key)
        if directory is not None and self.files.is_dir(directory):
            return directory
        if call.source:
            self.diagnostics.append(
                warning(
                    "Module not installed",
                    f'The module "{call.name}" ({call.source}) is not part of these files, so its '
                    "outputs are unknown.",
                    where,
                    "module",
                )
            )
        return None

    def local_directory(self, node: ModuleNode, call: ModuleCall, above: tuple[str, ...]) -> str | None:
        where = call.source_range or call.range
        try:
            directory = normalize(posixpath.join(node.config.directory, call.source))
        except OutsideModuleError:
            directory = ""
            outside = True
        else:
            outside = False
        if outside or not self.files.is_dir(directory):
            self.diagnostics.append(
                error(
                    "Unreadable module directory",
                    f'The module "{call.name}" names the directory "{call.source}", which is not among '
                    "the files of this template.",
                    where,
                    "module",
                )
            )
            return None
        if directory in above:
            self.diagnostics.append(
                error(
                    "Module calls itself",
                    f'The module "{call.name}" leads back to the directory "{directory or "."}", in '
                    "which it is called; this would never end.",
                    where,
                )
            )
            return None
        return directory

    def config_names(self, directory: str) -> list[str]:
        """Names of the configuration files in a directory."""
        return [
            name
            for name in self.files.list(directory)
            if name.endswith((".tf", ".tf.json"))
            and not name.startswith((".", "#"))
            and not name.endswith("~")
        ]

    def config(self, directory: str, display: str) -> ModuleConfig:
        """The directory's files, compiled; from the cache when their content has been seen before."""
        contents: list[tuple[str, bytes, str]] = []
        problems: list[Diagnostic] = []
        for name in self.config_names(directory):
            path = posixpath.join(directory, name) if directory else name
            try:
                data = self.files.read(path)
            except (OSError, FileTooLargeError) as problem:
                problems.append(
                    error("Failed to read file", f"The file {path} could not be read: {problem}.")
                )
                continue
            self.size += len(data)
            contents.append((path, data, hashlib.sha256(data).hexdigest()))
        key = (directory, display, self.preview, tuple((path, digest) for path, _, digest in contents))
        self.fingerprint.append(repr(key))
        self.diagnostics += problems
        return _CONFIGS.get_or_make(
            key,
            lambda: _compile(directory, display, contents, preview=self.preview),
            lambda _: sum(len(data) for _, data, _ in contents),
        )

    def read_manifest(self) -> dict[str, str]:
        """Directories of installed modules by key (`a.b`), from .terraform/modules/modules.json."""
        path = posixpath.join(self.root, MODULES_MANIFEST) if self.root else MODULES_MANIFEST
        try:
            data = json.loads(self.files.read(path))
            modules = data["Modules"]
            return {
                str(module["Key"]): normalize(posixpath.join(self.root, str(module["Dir"])))
                for module in modules
                if module.get("Key")
            }
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            self.diagnostics.append(
                warning(
                    "Unreadable module manifest", f"The file {path} could not be understood and was ignored."
                )
            )
            return {}


def parse_file(path: str, data: bytes, digest: str = "") -> ParsedFile:
    """A file's tree, from the cache when its content has been seen before."""
    key = (path, digest or hashlib.sha256(data).hexdigest())
    return _FILES.get_or_make(key, lambda: _parse(path, data), lambda file: len(file.source.text))


def _parse(path: str, data: bytes) -> ParsedFile:
    source, problems = decode(path, data)
    if problems and not (problems[0].summary == BAD_ENCODING and only_in_comments(source)):
        return ParsedFile(source, Body(0, 0), problems)
    return parse_json_config(source) if path.endswith(".json") else parse_config(source)


def _compile(
    directory: str, display: str, contents: list[tuple[str, bytes, str]], *, preview: bool
) -> ModuleConfig:
    primaries: list[ParsedFile] = []
    overrides: list[ParsedFile] = []
    for path, data, digest in contents:
        (overrides if is_override(path) else primaries).append(parse_file(path, data, digest))
    sections = previewed(primaries, overrides) if preview else merged(primaries, overrides)
    return Decoder(directory, sections, display).decode()
