"""Who listens and who is connected, from /proc: how the agent knows that somebody works in its workspace.

A connection counts when it comes in to a port on which a process of the workspace listens, from anybody
but the workspace's own processes. Where there is no /proc nothing is found, and nothing is claimed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from .processes import descendants

_ESTABLISHED, _LISTEN = "01", "0A"
_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
MOST_PORTS = 200


class Activity(NamedTuple):
    """`listening`: (port, name of the process), by port."""

    connections: int
    listening: tuple[tuple[int, str], ...]


class _Row(NamedTuple):
    local: tuple[str, int]
    remote: tuple[str, int]
    state: str
    inode: str


def look(root: int) -> Activity:
    """The connections and listening ports of everything below process `root`."""
    names = {inode: name for pid in descendants(root) for inode, name in _sockets(pid)}
    if not names:
        return Activity(0, ())
    own = set(names) | {inode for inode, _ in _sockets(root)}
    rows = list(_rows())
    listening = {
        row.local[1]: names[row.inode] for row in rows if row.state == _LISTEN and row.inode in names
    }
    # The other ends of the workspace's own connections: its processes talking to each other.
    inside = {row.local for row in rows if row.state == _ESTABLISHED and row.inode in own}
    connections = sum(
        row.state == _ESTABLISHED
        and row.inode in names
        and row.local[1] in listening
        and row.remote not in inside
        for row in rows
    )
    return Activity(connections, tuple(sorted(listening.items())[:MOST_PORTS]))


def _sockets(pid: int) -> Iterator[tuple[str, str]]:
    """(inode, process name) of a process's open sockets."""
    try:
        descriptors = os.listdir(f"/proc/{pid}/fd")
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            name = file.read().strip()
    except OSError:
        return
    for descriptor in descriptors:
        try:
            target = os.readlink(f"/proc/{pid}/fd/{descriptor}")
        except OSError:
            continue
        if target.startswith("socket:["):
            yield target[8:-1], name


def _rows() -> Iterator[_Row]:
    for table in _TABLES:
        try:
            with open(table, encoding="ascii") as file:
                next(file, None)
                for line in file:
                    fields = line.split()
                    yield _Row(_endpoint(fields[1]), _endpoint(fields[2]), fields[3], fields[9])
        except (OSError, IndexError, ValueError):
            continue


def _endpoint(text: str) -> tuple[str, int]:
    address, _, port = text.partition(":")
    return address, int(port, 16)
