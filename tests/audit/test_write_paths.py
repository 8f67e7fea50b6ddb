"""Every function of a service that writes rows leads to an entry in the audit trail, by itself or through
what it calls; what does not is listed here with its reason. A new write path fails until it records."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WRITES = {
    "save", "create", "bulk_create", "update", "bulk_update", "delete", "get_or_create", "update_or_create",
    "set_user", "set_group",
}  # fmt: skip

_ROOMS = "coder_admin/"
# (file, function): why no entry is written there.
EXEMPT = {
    (f"{_ROOMS}catalog/services/versions.py", "version_import_complete"): "the outcome of an audited upload",
    (f"{_ROOMS}catalog/services/versions.py", "version_import_fail"): "the outcome of an audited upload",
    (f"{_ROOMS}files/services.py", "module_files_store"): "the system's own cache of modules",
    (f"{_ROOMS}notifications/services.py", "test_send"): "a message to oneself",
    (f"{_ROOMS}notifications/services.py", "inbox_mark"): "a person's own reading mark",
    (f"{_ROOMS}notifications/services.py", "inbox_mark_all"): "a person's own reading marks",
    (f"{_ROOMS}notifications/services.py", "inbox_mark_some"): "a person's own reading marks",
    (f"{_ROOMS}organizations/services/api_keys.py", "authenticate_token"): "only notes the last use",
    (f"{_ROOMS}organizations/services/members.py", "insert_membership"): "its callers record the member",
    (f"{_ROOMS}organizations/services/users.py", "user_appearance_set"): "a person's own colours",
}


_FILES = ("services.py", "sharing.py", "creation.py")


def modules() -> Iterator[Path]:
    for package in ("coder_admin", "prebuilds"):
        for path in sorted((ROOT / package).rglob("*.py")):
            writes = (
                path.name in ("services.py", "sharing.py", "creation.py") or path.parent.name == "services"
            )
            # Jobs are parts of facts that the rooms above audit; the trail does not audit itself.
            if writes and not {"terraform", "provisioning", "audit"} & set(path.parts):
                yield path


def called(node: ast.AST) -> set[str]:
    """Names of functions and methods that the node calls."""
    names = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call):
            match inner.func:
                case ast.Name(id=name) | ast.Attribute(attr=name):
                    names.add(name)
    return names


def functions() -> dict[tuple[str, str], set[str]]:
    """Every function of every room by (file, name), with what it calls."""
    found = {}
    for package in ("coder_admin", "prebuilds", "rbac"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if "terraform" in path.parts or "migrations" in path.parts:
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.FunctionDef):
                    found[str(path.relative_to(ROOT)), node.name] = called(node)
    return found


def reach(names: set[str], bodies: dict[str, set[str]]) -> set[str]:
    """All names that calling `names` may lead to, within what is known."""
    seen: set[str] = set()
    while names:
        seen |= names
        names = {inner for name in names for inner in bodies.get(name, ())} - seen
    return seen


def silent_writers() -> set[tuple[str, str]]:
    """A called name is looked up in its file, then in its folder, then anywhere if it is unique there."""
    whole = functions()
    services = {str(path.relative_to(ROOT)) for path in modules()}
    by_name: dict[str, list[set[str]]] = {}
    for (_, name), calls in whole.items():
        by_name.setdefault(name, []).append(calls)
    unique = {name: calls[0] for name, calls in by_name.items() if len(calls) == 1 and name not in WRITES}
    silent = set()
    for (file, name), calls in whole.items():
        if file not in services or name.startswith("_"):
            continue
        folder = str(Path(file).parent)
        near = {inner: body for (at, inner), body in whole.items() if str(Path(at).parent) == folder}
        local = {inner: body for (at, inner), body in whole.items() if at == file}
        reached = reach(set(calls), unique | near | local)
        if reached & WRITES and "record" not in reached:
            silent.add((file, name))
    return silent


def test_every_service_that_writes_records_it() -> None:
    assert silent_writers() - set(EXEMPT) == set()


def test_exemptions_are_still_needed() -> None:
    assert set(EXEMPT) - silent_writers() == set()


def test_the_search_finds_writers_at_all() -> None:
    assert len(list(modules())) > 10
    assert "record" in reach({"group_update"}, {name: c for (_, name), c in functions().items()})
