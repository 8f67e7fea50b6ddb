"""The processes below the agent: adopt them, end them, leave none behind.

On Linux the agent makes itself the reaper of its descendants, so a process that detached itself from
its script is still found in the tree. Elsewhere only the scripts' own process groups are known.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable

_PR_SET_CHILD_SUBREAPER = 36
_POLL = 0.01


def become_subreaper() -> bool:
    """Let orphans below the agent be re-parented to it rather than to init. False where unsupported."""
    if not _tree_is_readable():
        return False
    try:
        import ctypes

        return bool(ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)
    except (ImportError, OSError, AttributeError):
        return False


def descendants(root: int) -> list[int]:
    """Every living process below `root`, parents before children. Empty without /proc."""
    children: dict[int, list[int]] = {}
    for pid in _all_pids():
        parent = _parent_if_alive(pid)
        if parent is not None:
            children.setdefault(parent, []).append(pid)
    found: list[int] = []
    waiting = [root]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def end_all(groups: Iterable[int], grace: float) -> None:
    """End every process below the agent: politely, and after `grace` seconds by force.

    `groups` are the process groups of the scripts, for systems where the tree cannot be read.
    """
    groups = list(groups)
    deadline = time.monotonic() + grace
    _signal_all(groups, signal.SIGTERM)
    while time.monotonic() < deadline:
        if not _any_left(groups):
            return
        time.sleep(_POLL)
    deadline = time.monotonic() + 5.0
    while _any_left(groups) and time.monotonic() < deadline:
        # Again and again: a process may have forked between the reading and the killing.
        _signal_all(groups, signal.SIGKILL)
        time.sleep(_POLL)


def reap_adopted(known: Iterable[int]) -> None:
    """Collect ended processes that nobody else waits for; `known` are waited for by their own threads."""
    own = set(known)
    for pid in _zombies_below(os.getpid()):
        if pid not in own:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                continue


def end_leftovers(marker: str) -> int:
    """Kill processes that an agent of the same folder left behind when it was killed itself.

    `marker` is a `NAME=value` pair that only scripts of this folder have in their environment.
    Returns how many were found.
    """
    wanted = marker.encode()
    own = {os.getpid(), os.getppid()}
    found = 0
    for pid in _all_pids():
        if pid in own:
            continue
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                matches = wanted in file.read().split(b"\0")
        except OSError:
            continue
        if matches:
            found += 1
            _signal(pid, signal.SIGKILL)
    return found


def _all_pids() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    except OSError:
        return []


def _stat(pid: int) -> tuple[str, int] | None:
    """(state letter, parent pid) of a process, or None if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        return fields[0].decode(), int(fields[1])
    except (OSError, IndexError, ValueError):
        return None


def _parent_if_alive(pid: int) -> int | None:
    stat = _stat(pid)
    return None if stat is None or stat[0] in "ZX" else stat[1]


def _zombies_below(root: int) -> list[int]:
    return [pid for pid in _all_pids() if _stat(pid) == ("Z", root)]


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return


def _tree_is_readable() -> bool:
    return os.path.isdir("/proc/self")


def _signal_all(groups: list[int], number: signal.Signals) -> None:
    if _tree_is_readable():
        for pid in descendants(os.getpid()):
            _signal(pid, number)
        return
    for group in groups:
        try:
            os.killpg(group, number)
        except (ProcessLookupError, PermissionError):
            continue


def _any_left(groups: list[int]) -> bool:
    if _tree_is_readable():
        return bool(descendants(os.getpid()))
    for group in groups:
        try:
            os.killpg(group, 0)
        except (ProcessLookupError, PermissionError):
            continue
        return True
    return False
