"""What the agent measures: health of apps, metadata, connections, and how long scripts took."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from coder_admin.agent import activity, measure
from coder_admin.agent.client import Client, TransportError, probe
from coder_admin.agent.uplink import Uplink

from .server import TOKEN, AgentServer, manifest, script

Start = Callable[[], "subprocess.Popen[bytes]"]


@contextmanager
def web_app(*statuses: int) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A server that answers with these statuses in turn, the last one for ever, and keeps the headers."""
    waiting, seen = list(statuses), []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(dict(self.headers))
            self.send_response(waiting.pop(0) if len(waiting) > 1 else waiting[0])
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{http.server_address[1]}/healthz?x=1", seen
    finally:
        http.shutdown()
        http.server_close()


def app(key: str, url: str, *, threshold: int = 1) -> dict[str, Any]:
    return {
        "id": key,
        "slug": key,
        "healthcheck": {"url": url, "interval": 1, "threshold": threshold},
    }


def datum(key: str, text: str, **fields: Any) -> dict[str, Any]:
    return {"key": key, "script": text, "interval": 0, "timeout": 0, **fields}


def test_apps_are_looked_at(server: AgentServer, start_agent: Start) -> None:
    with web_app(503, 404) as (url, seen), socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{free.getsockname()[1]}/"
        server.manifest = manifest(
            apps=[
                app("patient", url, threshold=3),
                app("dead", dead),
                {"id": "none", "slug": "none", "healthcheck": {"url": ""}},
            ]
        )
        start_agent()
        server.until(lambda: len(server.healths()) >= 2, "both healths")
        assert sorted(server.healths()) == [("dead", "unhealthy"), ("patient", "healthy")]
        assert not any(TOKEN in str(headers) for headers in seen), "the token is for the server alone"


def test_metadata(server: AgentServer, start_agent: Start) -> None:
    server.manifest = manifest(
        metadata=[
            datum("cpu", "echo 12%"),
            datum("broken", "echo partly; echo why >&2; exit 3"),
            datum("slow", "sleep 30", timeout=1),
            datum("loud", "head -c 100000 /dev/zero | tr '\\0' x"),
            datum("again", "date +%N", interval=1),
        ]
    )
    start_agent()
    server.until(lambda: len(server.values("again")) >= 2, "the second value")
    server.until(lambda: server.values("slow"), "the end of the slow script", timeout=20)
    assert (server.values("cpu")[0]["value"], server.values("cpu")[0]["error"]) == ("12%", "")
    broken = server.values("broken")[0]
    assert broken["value"] == "partly"
    assert broken["error"].splitlines() == ["why", "The script ended with exit code 3."]
    assert "longer than 1 s" in server.values("slow")[0]["error"]
    assert len(server.values("loud")[0]["value"]) <= measure.LONGEST_VALUE
    assert len(server.values("cpu")) == 1, "without an interval it is measured once"


def test_how_long_scripts_took(server: AgentServer, start_agent: Start) -> None:
    server.manifest = manifest(
        script("exit 0", name="good"),
        script("exit 7", name="bad"),
        script("sleep 30", name="late", timeout=0.3),
    )
    start_agent()
    server.until(lambda: "start_timeout" in server.states(), "the end of the start")
    server.until(lambda: sum(path == "/script-timings" for path, _ in server.measured) == 3, "timings")
    found = {
        run["script_id"]: (run["stage"], run["status"], run["exit_code"])
        for path, body in server.measured
        if path == "/script-timings"
        for run in body["timings"]
    }
    assert found["script-good"] == ("start", "ok", 0)
    assert found["script-bad"] == ("start", "exit_failure", 7)
    assert found["script-late"][:2] == ("start", "timed_out")
    assert all(
        run["started_at"] < run["ended_at"]
        for path, body in server.measured
        if path == "/script-timings"
        for run in body["timings"]
    )


@pytest.mark.skipif(not os.path.isdir("/proc/net"), reason="needs /proc")
def test_connections_and_ports_of_the_processes_below() -> None:
    code = (
        "import socket,sys\n"
        "s=socket.create_server(('127.0.0.1',0)); own=socket.create_connection(s.getsockname())\n"
        "kept=[s.accept()]; print(s.getsockname()[1], flush=True)\n"
        "kept.append(s.accept()); print('in', flush=True); sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        ["python3", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        port = int(holder.stdout.readline())
        assert activity.look(os.getpid()).listening.count((port, "python3")) == 1
        before = activity.look(os.getpid()).connections
        # From a process that does not belong to the workspace: here one that no descendant holds.
        visitor = subprocess.Popen(
            [
                "setsid",
                "-f",
                "python3",
                "-c",
                f"import socket,time; s=socket.create_connection(('127.0.0.1',{port})); time.sleep(3)",
            ]
        )
        visitor.wait()
        assert holder.stdout.readline() == "in\n"
        assert activity.look(os.getpid()).connections == before + 1
    finally:
        holder.communicate("")
    assert port not in [number for number, _ in activity.look(os.getpid()).listening]


def test_nothing_is_found_without_processes() -> None:
    assert activity.look(2**30) == activity.Activity(0, ())


def test_a_probe_of_what_is_no_web_server_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def hang_up() -> None:
            connection, _ = listener.accept()
            connection.sendall(b"220 mail\r\n")
            connection.close()

        threading.Thread(target=hang_up, daemon=True).start()
        with pytest.raises(TransportError):
            probe(f"http://127.0.0.1:{port}/", 2)


def test_measurements_wait_without_growing_and_only_the_newest_is_sent(server: AgentServer) -> None:
    server.refuse_all = True
    uplink = Uplink(Client(server.url, TOKEN))
    uplink.start()
    for number in range(1000):
        uplink.measured("x", "/metadata", metadata=[{"key": "x", "value": str(number)}])
    assert len(uplink._queue) == 1
    uplink.measured("gone", "/metadata", metadata=[{"key": "gone", "value": ""}])
    server.refuse_all = False
    server.until(lambda: server.values("x"), "the value")
    assert [item["value"] for item in server.values("x")][-1] == "999"
    assert uplink.flush(5)
    uplink.close(1)


def test_what_was_measured_for_the_owner_before_is_not_sent(server: AgentServer) -> None:
    server.refuse_all = True
    uplink = Uplink(Client(server.url, TOKEN))
    uplink.measured("x", "/metadata", metadata=[{"key": "x", "value": "old"}])
    uplink.forget_measured()
    uplink.measured("y", "/metadata", metadata=[{"key": "y", "value": "new"}])
    server.refuse_all = False
    uplink.start()
    assert uplink.flush(10)
    uplink.close(1)
    assert [item["value"] for _, body in server.measured for item in body["metadata"]] == ["new"]
