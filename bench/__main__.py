"""``make bench``: every figure, or those named (``make bench ARGS="claim idle"``)."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys

import bench


def main() -> int:
    """Run each module's ``measure() -> list[Figure]`` and print one line per figure."""
    names = [
        module.name
        for module in pkgutil.iter_modules(bench.__path__)
        if module.name not in {"__main__", "figure"}
    ]
    wanted = sys.argv[1:] or names
    unknown = sorted(set(wanted) - set(names))
    if unknown:
        print(f"no figure called {', '.join(unknown)}; there are: {', '.join(names)}", file=sys.stderr)
        return 2
    os.environ.setdefault("CODER_ADMIN_LOG_LEVEL", "WARNING")  # the table alone
    print(f"{'figure':44} {'measured':>12} {'against':>12} {'ratio':>7}")
    for name in wanted:
        for figure in importlib.import_module(f"bench.{name}").measure():
            print(figure.line(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
