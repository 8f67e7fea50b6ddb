"""Options that must be known before Django reads its settings: the data folder, and who can reach ``up``.

Pure but for the mapping it is given; imports no Django.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence

DEFAULT_PORT = 8000
DEFAULT_HOST = "127.0.0.1"


def apply_early_options(argv: Sequence[str], environ: MutableMapping[str, str]) -> list[str]:
    """Move ``--data DIR`` of any command into ``environ``; open the metrics of a private ``up``.

    Returns the arguments that are left for Django. ``--data`` is Coder Admin's own option, so Django's
    parsers never see it; a missing value stays in place, and Django names the unknown option.
    """
    rest: list[str] = []
    arguments = list(argv)
    while arguments:
        argument = arguments.pop(0)
        if argument == "--data" and arguments and not arguments[0].startswith("-"):
            environ["CODER_ADMIN_DATA"] = arguments.pop(0)
        elif argument.startswith("--data="):
            environ["CODER_ADMIN_DATA"] = argument.partition("=")[2]
        else:
            rest.append(argument)
    if len(rest) > 1 and rest[1] == "up" and is_loopback(_value(rest, "--host") or DEFAULT_HOST):
        # Only people on this machine can ask at all.
        environ.setdefault("CODER_ADMIN_METRICS_OPEN", "true")
    return rest


def _value(arguments: Sequence[str], option: str) -> str:
    for index, argument in enumerate(arguments):
        if argument == option and index + 1 < len(arguments):
            return arguments[index + 1]
        if argument.startswith(f"{option}="):
            return argument.partition("=")[2]
    return ""


def reachable(host: str) -> str:
    """The name by which programs on this machine reach a server bound to ``host``."""
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104 - compared, not bound
        return DEFAULT_HOST
    return f"[{host}]" if ":" in host else host


def is_loopback(host: str) -> bool:
    """Whether a server bound to ``host`` can be reached from this machine only."""
    return host in {"localhost", "::1"} or host.startswith("127.")
