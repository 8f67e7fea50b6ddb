"""The processes of agents on this machine: one per ``coder_agent`` of a running workspace.

Each agent leads a process group of its own and gets an environment that holds only what it needs; no secret
of the server is in it. It never outlives the process that started it: its standard input is a pipe whose
other end this process holds, so the kernel tells it of our end however we end. (A parent death signal would
not do: Linux sends it when the *thread* that started the child ends, and jobs run on short-lived threads.)

Any number of worker processes of one machine may be told to run the same agent: one of them does
(``agent_lock``). An agent that dies without having been asked is started again, after a pause that grows with
each death.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from pathlib import Path

import structlog

from .agent_lock import AgentLock, digest
from .agent_process import GRACE, AgentSpec, Keeper
from .confinement import Confinement

__all__ = ["AgentSpec", "AgentSupervisor"]

log = structlog.get_logger(__name__)

PATIENCE = GRACE + 10.0  # seconds that a new agent waits for the end of the one before


class AgentSupervisor:
    """Keeps the agents of workspaces running as last told. Any thread may call it at any time."""

    def __init__(
        self, *, command: tuple[str, ...] | None = None, confinement: Confinement | None = None
    ) -> None:
        self._command = command
        self._confinement = confinement
        self._lock = threading.Lock()
        self._keepers: dict[str, dict[str, Keeper]] = {}  # workspace id -> token -> keeper
        self._closed = False

    def confine(self, confinement: Confinement) -> None:
        """Agents that start from now on run so."""
        self._confinement = confinement

    def sync(self, workspace_id: object, specs: Iterable[AgentSpec], *, patience: float = PATIENCE) -> None:
        """From now on the workspace has exactly these agents; returns at once.

        Starts those that are missing, leaves those with the same token alone (a claim), ends the others. An
        agent that another process of this machine runs under the same token is left to it. ``patience``:
        seconds that a new agent waits while another one still runs in its folder; 0 = not at all.
        """
        wished = {spec.token: spec for spec in specs}
        with self._lock:
            if self._closed:
                return
            present = self._keepers.setdefault(str(workspace_id), {})
            for token in [token for token, keeper in present.items() if keeper.over]:
                del present[token]
            leaving = [present.pop(token) for token in list(present) if token not in wished]
            missing = [spec for token, spec in wished.items() if token not in present]
            arriving = [keeper for spec in missing if (keeper := self._keeper(spec, patience)) is not None]
            present.update({keeper.spec.token: keeper for keeper in arriving})
            if not present:
                del self._keepers[str(workspace_id)]
        _end_together(leaving, GRACE, wait=False)
        for keeper in arriving:
            keeper.start(patience=patience)

    def _keeper(self, spec: AgentSpec, patience: float) -> Keeper | None:
        """Who will run the agent; None when another process does."""
        lock = AgentLock(spec.folder)
        try:
            free = lock.take()
        except OSError as error:  # one broken folder must not keep the others down
            log.warning("agent not started", agent=spec.name, error=str(error))
            return None
        holder = None if free else lock.holder()
        if not free and (not patience or (holder is not None and holder.agent == digest(spec.token))):
            return None
        confinement = self._confinement or Confinement()
        return Keeper(spec, lock, command=self._command, confinement=confinement)

    def stop(self, workspace_id: object, *, grace: float = GRACE, wait: bool = True) -> bool:
        """End the workspace's agents with all they started; True when nothing of them is left."""
        with self._lock:
            leaving = list(self._keepers.pop(str(workspace_id), {}).values())
        return _end_together(leaving, grace, wait=wait)

    def stop_all(self, *, grace: float = 5.0) -> bool:
        """End every agent; nothing can be started afterwards. True when nothing is left."""
        with self._lock:
            self._closed = True
            leaving = [keeper for keepers in self._keepers.values() for keeper in keepers.values()]
            self._keepers.clear()
        return _end_together(leaving, grace, wait=True)

    def workspaces(self) -> set[str]:
        """Ids of the workspaces whose agents this process runs."""
        with self._lock:
            return {
                owner
                for owner, keepers in self._keepers.items()
                if any(not keeper.over for keeper in keepers.values())
            }

    def running(self, workspace_id: object | None = None) -> dict[str, int]:
        """Process ids by ``<workspace id>/<agent name>``."""
        with self._lock:
            return {
                f"{owner}/{keeper.spec.name}": keeper.pid
                for owner, keepers in self._keepers.items()
                for keeper in keepers.values()
                if keeper.pid and (workspace_id is None or owner == str(workspace_id))
            }


def end_elsewhere(folders: Iterable[Path], *, grace: float = GRACE) -> bool:
    """End the agents of these folders, whichever process of this machine runs them; True when all ended."""
    locks = [AgentLock(folder) for folder in folders]
    ended: list[bool] = [False] * len(locks)

    def end(number: int) -> None:
        ended[number] = locks[number].end_elsewhere(grace)

    threads = [threading.Thread(target=end, args=(n,), daemon=True) for n in range(1, len(locks))]
    for thread in threads:
        thread.start()
    if locks:
        end(0)
    for thread in threads:
        thread.join()
    return all(ended)


def _end_together(keepers: list[Keeper], grace: float, *, wait: bool) -> bool:
    """End all of them at the same time: politely, after ``grace`` seconds by force."""
    if not keepers:
        return True
    for keeper in keepers:
        keeper.ask_to_end()
    if wait:
        return _see_to_the_end(keepers, grace)
    threading.Thread(target=_see_to_the_end, args=(keepers, grace), name="agents-end", daemon=True).start()
    return True


def _see_to_the_end(keepers: list[Keeper], grace: float) -> bool:
    deadline = time.monotonic() + grace
    left = [keeper for keeper in keepers if not keeper.wait_ended(deadline - time.monotonic())]
    for keeper in left:
        log.warning("agent killed", agent=keeper.spec.name, pid=keeper.pid)
        keeper.force_end()
    deadline = time.monotonic() + 5.0
    return all(keeper.wait_ended(deadline - time.monotonic()) for keeper in left)
