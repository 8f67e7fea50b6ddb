"""Starting over for a new owner (reference notifications-agents-provisioning 3.1)."""

from __future__ import annotations

import os
from pathlib import Path

from .server import AgentServer, manifest, script, until
from .test_agent import Start

CLAIM = {"WorkspaceID": "w", "reason": "prebuild_claimed", "OwnerID": "id-of-ada", "BuildID": "build-2"}


def _prebuild() -> dict[str, object]:
    return manifest(
        script("while true; do echo prebuild; sleep 0.05; done & echo started $CODER_WORKSPACE_OWNER_NAME")
    )


def _claimed() -> dict[str, object]:
    return manifest(script("echo hello $CODER_WORKSPACE_OWNER_NAME", name="claimed"), owner="ada", build="2")


def test_a_claim_runs_everything_again_as_the_new_owner(server: AgentServer, start_agent: Start) -> None:
    server.manifest = _prebuild()
    process = start_agent()
    server.until(
        lambda: len(server.outputs("source-main")) > 3 and "ready" in server.states(), "a busy prebuild"
    )
    server.manifest = _claimed()
    server.send_event(CLAIM)
    server.until(lambda: "ready" in server.states("agent-2"), "ready for the new owner")
    assert server.states("agent-1") == ["created", "starting", "ready"]
    assert server.states("agent-2") == ["created", "starting", "ready"]
    assert server.outputs("source-claimed") == ["hello ada"]
    # The prebuild's background process is gone, so its log has ended before the new run began.
    last = max(i for i, line in enumerate(server.lines) if line[0] == "source-main")
    first = min(i for i, line in enumerate(server.lines) if line[0] == "source-claimed")
    assert last < first
    assert process.poll() is None


def test_a_repeated_event_changes_nothing(server: AgentServer, start_agent: Start) -> None:
    server.manifest = _prebuild()
    start_agent()
    server.until(lambda: server.streams_opened == 1 and "ready" in server.states(), "ready")
    server.manifest = _claimed()
    server.send_event(CLAIM)
    server.until(lambda: "ready" in server.states("agent-2"), "ready for the new owner")
    server.drop_streams()  # the server restarts: the new stream gives the same event again
    server.until(lambda: server.streams_opened == 2, "a new stream")
    server.send_event(dict(CLAIM))
    server.drop_streams()
    server.until(lambda: server.streams_opened == 3, "another stream")
    assert server.states("agent-2") == ["created", "starting", "ready"]


def test_a_claim_while_cut_off_is_learned_on_reconnecting(server: AgentServer, start_agent: Start) -> None:
    server.manifest = _prebuild()
    start_agent()
    server.until(lambda: server.streams_opened == 1 and "ready" in server.states(), "ready")
    server.refuse_all = True
    server.drop_streams()
    until(lambda: server.requests > 8, "attempts while cut off")
    server.manifest = _claimed()
    server.event = CLAIM
    server.refuse_all = False
    server.until(lambda: "ready" in server.states("agent-2"), "ready for the new owner")


def test_stops_asking_when_there_was_never_a_prebuild(server: AgentServer, start_agent: Start) -> None:
    server.never_prebuild = True
    server.manifest = manifest(script("echo; sleep 1.2; echo"))
    start_agent()
    server.until(lambda: "ready" in server.states(), "ready")
    assert server.streams_opened == 1


def test_detached_processes_of_the_prebuild_end_too(
    server: AgentServer, folder: Path, start_agent: Start
) -> None:
    server.manifest = manifest(
        script("setsid sh -c 'echo $$ > pid; exec sleep 600' >/dev/null 2>&1 & sleep 0.3")
    )
    start_agent()
    server.until(lambda: "ready" in server.states() and server.streams_opened == 1, "ready")
    pid = int((folder / "pid").read_text())
    os.kill(pid, 0)
    server.manifest = _claimed()
    server.send_event(CLAIM)
    server.until(lambda: "ready" in server.states("agent-2"), "ready for the new owner")
    until(
        lambda: not Path(f"/proc/{pid}").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text(), "its end"
    )
