"""The command line: console, outputs, validate, graph.

Exit codes: 0 fine, 1 errors in the template (or an unreadable folder), 2 wrong usage.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from coder_admin.terraform.diagnostics import Diagnostic, DiagnosticError, error, has_errors
from coder_admin.terraform.evaluation.result import Evaluation
from coder_admin.terraform.filesystem import DirectoryFileSystem
from coder_admin.terraform.graph import to_dot
from coder_admin.terraform.model import EvalContext
from coder_admin.terraform.module import Module, evaluate, load_module
from coder_admin.terraform.printing import to_json_text
from coder_admin.terraform.syntax.scanner import is_open
from coder_admin.terraform.syntax.source import SourceText
from coder_admin.terraform.values import SENSITIVE

HISTORY_LINES = 1000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    directory = Path(options.directory)
    if not directory.is_dir():
        return _no_directory(options, directory)
    variables: dict[str, str] = {}
    for pair in options.var or ():
        name, equals, value = pair.partition("=")
        if not equals:
            _warn(f"--var {pair} is not of the form name=value.")
            return 2
        variables[name] = value
    module = load_module(DirectoryFileSystem(directory))
    match options.command:
        case "console":
            return _console(module, variables, as_json=options.json)
        case "outputs":
            return _outputs(module, variables, as_json=options.json, build=options.build)
        case "validate":
            return _validate(module, as_json=options.json)
        case _:
            sys.stdout.write(to_dot(module.graph))
            return 0


def _no_directory(options: argparse.Namespace, directory: Path) -> int:
    detail = f"{directory} is not a directory; name the folder that holds the .tf files."
    if options.command in ("outputs", "validate") and options.json:
        found = [error("No such directory", detail).to_json()]
        answer = {"valid": False, "diagnostics": found} if options.command == "validate" else None
        _say(json.dumps(answer or {"diagnostics": found}))
    else:
        _warn(detail)
    return 1


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _warn(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m coder_admin.terraform", description="Read and evaluate Terraform modules."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("console", "evaluate expressions in the scope of a module"),
        ("outputs", "evaluate a module and print its outputs"),
        ("validate", "report what is wrong with a module"),
        ("graph", "print the dependency graph in DOT"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        if name == "console":
            command.add_argument("--dir", dest="directory", default=".", help="the module's folder")
        else:
            command.add_argument("directory", metavar="DIR", help="the module's folder")
        if name in ("console", "outputs"):
            command.add_argument("--var", action="append", metavar="NAME=VALUE", help="value of a variable")
        else:
            command.set_defaults(var=None)
        if name == "outputs":
            command.add_argument(
                "--build",
                action="store_true",
                help="as in a build: timestamp(), uuid() and their like have a value; else they are unknown",
            )
        if name != "graph":
            command.add_argument("--json", action="store_true", help="machine-readable output")
    return parser


def _outputs(module: Module, variables: dict[str, str], *, as_json: bool, build: bool) -> int:
    context = EvalContext(now=datetime.now(UTC) if build else None, strict=True)
    evaluation = evaluate(module, variables=variables, context=context)
    if not evaluation.ok:
        return _print_diagnostics(evaluation.diagnostics, as_json=as_json)
    try:
        texts = {name: to_json_text(value) for name, value in evaluation.outputs.items()}
    except DiagnosticError as problem:
        return _print_diagnostics([problem.diagnostic], as_json=as_json)
    if as_json:
        members = ", ".join(f"{json.dumps(name)}: {text}" for name, text in texts.items())
        _say(f'{{"outputs": {{{members}}}}}')
        return 0
    for diagnostic in evaluation.diagnostics:
        _warn(_line(diagnostic))
    for name, text in texts.items():
        _say(f"{name} = {'(sensitive)' if evaluation.outputs[name].is_sensitive else text}")
    return 0


def _print_diagnostics(diagnostics: Sequence[Diagnostic], *, as_json: bool) -> int:
    if as_json:
        _say(json.dumps({"diagnostics": [diagnostic.to_json() for diagnostic in diagnostics]}))
    else:
        for diagnostic in diagnostics:
            _warn(_line(diagnostic))
    return 1


def _line(diagnostic: Diagnostic) -> str:
    return f"{diagnostic.severity}: {diagnostic}"


def _validate(module: Module, *, as_json: bool) -> int:
    evaluation = evaluate(module)
    diagnostics = evaluation.diagnostics
    valid = not has_errors(diagnostics)
    if as_json:
        _say(json.dumps({"valid": valid, "diagnostics": [d.to_json() for d in diagnostics]}))
    else:
        for diagnostic in diagnostics:
            _say(_line(diagnostic))
        _say("The configuration is valid." if valid else "The configuration is not valid.")
    return 0 if valid else 1


def _console(module: Module, variables: dict[str, str], *, as_json: bool) -> int:
    evaluation = evaluate(module, variables=variables)
    if as_json:
        return _json_console(evaluation, sys.stdin, sys.stdout)
    for diagnostic in evaluation.diagnostics:
        _warn(_line(diagnostic))
    return _prompt(evaluation)


def _json_console(evaluation: Evaluation, source: TextIO, target: TextIO) -> int:
    """JSON lines in, JSON lines out: {"id", "expr"} to {"id", "value"} or {"id", "error"}."""
    for line in source:
        if not line.strip():
            continue
        identity: object = None
        try:
            request = json.loads(line)
            identity = request["id"]
            text = to_json_text(evaluation.value_of(str(request["expr"])))
            answer = f'{{"id": {json.dumps(identity)}, "value": {text}}}'
        except (ValueError, KeyError, TypeError) as problem:
            message = f'not a request of the form {{"id", "expr"}}: {problem}'
            answer = json.dumps({"id": identity, "error": message})
        except DiagnosticError as problem:
            diagnostic = problem.diagnostic
            parts = [diagnostic.summary, diagnostic.detail]
            message = ": ".join(part for part in parts if part)
            answer = json.dumps({"id": identity, "error": message})
        target.write(answer + "\n")
        target.flush()
    return 0


def _prompt(evaluation: Evaluation) -> int:
    """An interactive prompt; where the platform has readline, with history.

    An expression may go over several lines, as long as a bracket or heredoc is open. Ctrl-C forgets what was
    typed so far; Ctrl-D, exit and quit end the session.
    """
    _use_history()
    while True:
        try:
            text = _read_expression()
        except EOFError:
            _say("")
            return 0
        except KeyboardInterrupt:
            _say("")
            continue
        if text in ("exit", "quit"):
            return 0
        if not text:
            continue
        try:
            value = evaluation.value_of(text)
            _say("(sensitive value)" if value.deep_marks & SENSITIVE else to_json_text(value))
        except DiagnosticError as problem:
            _warn(_line(problem.diagnostic))


def _read_expression() -> str:
    """One expression from the prompt; an empty line ends one that is still open."""
    text = input("> ").strip()
    while text and is_open(SourceText("<expression>", f"{text}\n")):
        more = input("  ")
        if not more.strip():
            break
        text += f"\n{more}"
    return text


def _use_history() -> None:
    """Editing and history for input(), kept between sessions in the user's state folder. Where the platform
    has no readline, or the folder cannot be written, the prompt does without."""
    try:
        import readline
    except ImportError:
        return
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    file = state / "coder-admin" / "terraform-console-history"
    with contextlib.suppress(OSError):
        readline.read_history_file(file)

    def save() -> None:
        with contextlib.suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            readline.set_history_length(HISTORY_LINES)
            readline.write_history_file(file)
            file.chmod(0o600)

    atexit.register(save)
