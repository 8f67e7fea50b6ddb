"""The agent as a real process against a real server."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from .conftest import COMMAND, agent_env
from .server import AgentServer, manifest, script, until

Start = Callable[[], "subprocess.Popen[bytes]"]


def test_runs_the_start_scripts_and_becomes_ready(
    server: AgentServer, folder: Path, start_agent: Start
) -> None:
    server.manifest = manifest(
        script("echo $GREETING from $CODER_WORKSPACE_OWNER_NAME; pwd; echo oops >&2; printf 'no newline'"),
        script("#!/usr/bin/env python3\nprint('in python')", name="py"),
        script("echo never", name="stop", run_on_start=False, run_on_stop=True),
        environment_variables={"GREETING": "hello"},
        directory="~/project",
    )
    start_agent()
    server.until(lambda: "ready" in server.states(), "ready")
    assert server.states() == ["created", "starting", "ready"]
    assert server.startup[0]["expanded_directory"] == str(folder / "project")
    assert server.startup[0]["version"].startswith("v")
    out = [line for line in server.lines if line[0] == "source-main"]
    assert [line[1:] for line in out if line[1] == "info"] == [
        ("info", "hello from prebuilds"),
        ("info", str(folder / "project")),
        ("info", "no newline"),
    ]
    assert ("source-main", "error", "oops") in out
    assert server.outputs("source-py") == ["in python"]
    assert server.outputs("source-stop") == []
    server.until(lambda: server.beats >= 1, "a heartbeat")


def test_scripts_do_not_see_the_token(server: AgentServer, start_agent: Start) -> None:
    server.manifest = manifest(script("env"))
    start_agent()
    server.until(lambda: "ready" in server.states(), "ready")
    assert not any(line.startswith("CODER_AGENT_TOKEN") for line in server.outputs("source-main"))
    assert any(line.startswith("CODER_AGENT_URL=") for line in server.outputs("source-main"))


def test_a_failing_script_is_a_start_error(server: AgentServer, start_agent: Start) -> None:
    server.manifest = manifest(script("exit 3"), script("echo fine", name="other"))
    start_agent()
    server.until(lambda: "start_error" in server.states(), "start_error")
    assert server.outputs("source-main") == ["The script ended with exit code 3."]


def test_an_unknown_interpreter_is_a_start_error(server: AgentServer, start_agent: Start) -> None:
    server.manifest = manifest(script("#!/no/such/shell\necho"))
    start_agent()
    server.until(lambda: "start_error" in server.states(), "start_error")
    assert "could not be started" in server.outputs("source-main")[0]


def test_a_script_over_its_time_is_stopped(server: AgentServer, start_agent: Start) -> None:
    server.manifest = manifest(script("echo begun; sleep 60; echo never", timeout=0.5))
    start_agent()
    server.until(lambda: "start_timeout" in server.states(), "start_timeout")
    assert server.outputs("source-main") == ["begun", "The script ran longer than 0.5 s and is stopped."]


def test_a_background_process_does_not_hold_up_ready(server: AgentServer, start_agent: Start) -> None:
    server.manifest = manifest(script("(sleep 0.7; echo later) & echo now"))
    start_agent()
    server.until(lambda: "ready" in server.states(), "ready")
    assert server.outputs("source-main") == ["now"]
    server.until(
        lambda: server.outputs("source-main") == ["now", "later"], "output of the background process"
    )


def test_no_line_is_lost_or_doubled_by_faults(server: AgentServer, start_agent: Start) -> None:
    server.lose_answers = 3
    server.manifest = manifest(script("for i in $(seq 1 3000); do echo line $i; done"))
    start_agent()
    server.until(lambda: len(server.lines) > 0, "first lines")
    server.refuse_all = True
    until(lambda: server.requests > 5, "the agent tries again")
    server.refuse_all = False
    server.until(lambda: "ready" in server.states(), "ready")
    assert server.outputs("source-main") == [f"line {i}" for i in range(1, 3001)]


def test_long_and_strange_output_is_cut_and_cleaned(server: AgentServer, start_agent: Start) -> None:
    server.manifest = manifest(
        script("head -c 40000 /dev/zero | tr '\\0' x; echo; printf 'a\\0b\\377\\r\\n'")
    )
    start_agent()
    server.until(lambda: "ready" in server.states(), "ready")
    lines = server.outputs("source-main")
    assert [len(line) for line in lines[:3]] == [16384, 16384, 7232]
    assert lines[3] == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"


def test_a_full_log_is_told_once_and_the_rest_goes_on(server: AgentServer, start_agent: Start) -> None:
    server.log_limit = 10_000
    server.manifest = manifest(script("for i in $(seq 1 20000); do echo $i; done"))
    start_agent()
    server.until(lambda: "ready" in server.states(), "ready")
    assert server.too_large_answers == 1


def test_waits_for_a_server_that_is_down(server: AgentServer, start_agent: Start) -> None:
    server.refuse_all = True
    server.manifest = manifest(script("echo hello"))
    start_agent()
    until(lambda: server.requests >= 3, "attempts while the server refuses")
    server.refuse_all = False
    server.until(lambda: "ready" in server.states(), "ready")


def test_sigterm_runs_the_stop_scripts(server: AgentServer, start_agent: Start) -> None:
    server.manifest = manifest(
        script("sleep 600 & echo up"),
        script("echo bye", name="stop", run_on_start=False, run_on_stop=True),
    )
    process = start_agent()
    server.until(lambda: "ready" in server.states(), "ready")
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert server.states() == ["created", "starting", "ready", "shutting_down", "off"]
    assert server.outputs("source-stop") == ["bye"]
    assert server.disconnects == 1


def test_a_failing_stop_script_is_a_shutdown_error(server: AgentServer, start_agent: Start) -> None:
    server.manifest = manifest(script("exit 1", name="stop", run_on_start=False, run_on_stop=True))
    process = start_agent()
    server.until(lambda: "ready" in server.states(), "ready")
    process.send_signal(signal.SIGTERM)
    process.wait(10)
    assert server.states()[-1] == "shutdown_error"


def test_output_also_goes_to_the_log_path(server: AgentServer, folder: Path, start_agent: Start) -> None:
    server.manifest = manifest(
        script("echo kept", log_path="logs/start.log"), script("echo", name="b", log_path="/etc/x")
    )
    start_agent()
    server.until(lambda: "ready" in server.states(), "ready")
    assert (folder / "logs/start.log").read_text() == "kept\n"


def test_a_cron_script_runs_by_its_schedule(server: AgentServer, start_agent: Start) -> None:
    server.manifest = manifest(
        script("echo bad", name="bad", cron="every day", run_on_start=False),
        script("echo tick", name="cron", cron="* * * * * *", run_on_start=False),
    )
    start_agent()
    server.until(lambda: server.outputs("source-bad"), "complaint about the schedule")
    assert "will not run by its schedule" in server.outputs("source-bad")[0]
    server.until(lambda: len(server.outputs("source-cron")) >= 2, "two ticks within a minute")


def test_is_small(server: AgentServer, start_agent: Start) -> None:
    server.manifest = manifest(script("for i in $(seq 1 5000); do echo line $i; done"))
    process = start_agent()
    server.until(lambda: "ready" in server.states() and server.streams_opened > 0, "ready")
    status = Path(f"/proc/{process.pid}/status").read_text()
    resident = int(status.split("VmRSS:")[1].split()[0])
    assert resident < 20 * 1024, f"{resident} KiB"


def test_missing_settings_are_one_line(folder: Path, server: AgentServer) -> None:
    env = agent_env(server, folder)
    del env["CODER_AGENT_TOKEN"]
    done = subprocess.run(COMMAND, env=env, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2
    assert done.stderr == "agent: CODER_AGENT_TOKEN is not set: it must hold the agent's token\n"
    env = {**agent_env(server, folder), "CODER_AGENT_URL": "ftp://x"}
    done = subprocess.run(COMMAND, env=env, capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, os.linesep in done.stderr[:-1]) == (2, False)
