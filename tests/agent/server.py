"""A small real server that speaks the agent's side of the API, with faults that a test can order."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

TOKEN = "7b0b5d2e-4a8e-4f6d-9c3c-0d6a5f1e2b3c"


class AgentServer:
    """Holds the manifest and what agents have said. `url` is its base address (with a path prefix)."""

    def __init__(self) -> None:
        self.manifest: dict[str, Any] = manifest()
        self.lifecycle: list[tuple[str, str]] = []  # (agent id, state)
        self.lines: list[tuple[str, str, str]] = []  # (log source, level, output)
        self.startup: list[dict[str, Any]] = []
        self.beats = 0
        self.disconnects = 0
        self.measured: list[tuple[str, dict[str, Any]]] = []  # (path, body) of each measurement
        self.streams_opened = 0
        self.requests = 0
        self.refuse_all = False  # answer 503 to everything
        self.lose_answers = 0  # handle that many log requests, then cut the connection instead of answering
        self.log_limit: int | None = None
        self.too_large_answers = 0
        self.never_prebuild = False
        self.event: dict[str, str] | None = None  # given at once to each new stream, like a durable claim
        self.changed = threading.Condition()
        self._positions: dict[tuple[str, str], int] = {}
        self._generation = 0
        handler = type("Handler", (_Handler,), {"server_state": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/base"
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        self.drop_streams()
        self._http.shutdown()
        self._http.server_close()

    def states(self, agent_id: str | None = None) -> list[str]:
        wanted = agent_id or self.manifest["agent_id"]
        return [state for agent, state in self.lifecycle if agent == wanted]

    def outputs(self, source: str) -> list[str]:
        return [output for found, _, output in self.lines if found == source]

    def values(self, key: str) -> list[dict[str, Any]]:
        """What was reported for a metadata key, oldest first."""
        items = [item for path, body in self.measured if path == "/metadata" for item in body["metadata"]]
        return [item for item in items if item["key"] == key]

    def healths(self) -> list[tuple[str, str]]:
        """Apps and their healths, in the order in which they were reported."""
        return [h for path, body in self.measured if path == "/app-health" for h in body["healths"].items()]

    def until(self, condition: Any, what: str, timeout: float = 15.0) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, timeout), (
                f"{what}; got {self.lifecycle} {self.lines[-5:]}"
            )

    def send_event(self, event: dict[str, str]) -> None:
        with self.changed:
            self.event = event
            self.changed.notify_all()

    def drop_streams(self) -> None:
        with self.changed:
            self._generation += 1
            self.changed.notify_all()

    def store_lines(self, body: dict[str, Any]) -> int:
        key = (body["run_id"], body["log_source_id"])
        skipped = max(0, self._positions.get(key, 0) - body["sequence"])
        size = sum(len(output) for _, _, output in self.lines)
        if self.log_limit is not None and size > self.log_limit:
            self.too_large_answers += 1
            return 413
        for line in body["logs"][skipped:]:
            self.lines.append((body["log_source_id"], line["level"], line["output"]))
        self._positions[key] = max(self._positions.get(key, 0), body["sequence"] + len(body["logs"]))
        return 200


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_state: AgentServer

    def log_message(self, *_: Any) -> None:
        return

    def _handle(self) -> None:
        state = self.server_state
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        path = urlsplit(self.path).path.removeprefix("/base/api/v2/workspaceagents/me")
        with state.changed:
            state.requests += 1
            if state.refuse_all:
                return self._answer(503, {"message": "Down for maintenance."})
            if self.headers.get("Coder-Session-Token") != TOKEN:
                return self._answer(401, {"message": "Unknown token."})
        if path == "/reinit":
            return self._stream()
        with state.changed:
            status, answer, cut = self._record(path, body)
            state.changed.notify_all()
        if cut:
            self.close_connection = True
            self.connection.close()
            return None
        return self._answer(status, answer)

    do_GET = do_POST = do_PATCH = _handle

    def _record(self, path: str, body: dict[str, Any]) -> tuple[int, Any, bool]:
        state = self.server_state
        match path:
            case "/manifest":
                return 200, state.manifest, False
            case "/startup":
                state.startup.append(body)
            case "/lifecycle":
                state.lifecycle.append((body["agent_id"], body["state"]))
            case "/heartbeat":
                state.beats += 1
            case "/disconnect":
                state.disconnects += 1
            case "/logs":
                status = state.store_lines(body)
                cut = state.lose_answers > 0
                state.lose_answers -= cut
                return status, {}, cut
            case "/report-stats" | "/metadata" | "/app-health" | "/script-timings":
                state.measured.append((path, body))
            case _:
                return 404, {"message": f"No such route: {path}"}, False
        return 204, None, False

    def _answer(self, status: int, body: Any) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self) -> None:
        state = self.server_state
        if state.never_prebuild:
            with state.changed:
                state.streams_opened += 1
            return self._answer(409, {"message": "This workspace never was a prebuild."})
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self._chunk(b"event: ping\n\n")
        with state.changed:
            state.streams_opened += 1
            state.changed.notify_all()
            generation, sent = state._generation, None
            while state._generation == generation:
                if state.event is not None and state.event is not sent:
                    sent = state.event
                    text = json.dumps(sent)
                    # In two pieces: a client must not rely on events arriving whole.
                    self._chunk(b"event: message\ndata: " + text[:10].encode())
                    self._chunk(text[10:].encode() + b"\n\n")
                state.changed.wait(1.0)
        self.close_connection = True

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()


def script(text: str, *, name: str = "main", **settings: Any) -> dict[str, Any]:
    return {
        "id": f"script-{name}",
        "log_source_id": f"source-{name}",
        "log_path": "",
        "script": text,
        "cron": "",
        "timeout": 0,
        "run_on_start": True,
        "run_on_stop": False,
        "start_blocks_login": False,
        "display_name": name,
        **settings,
    }


def manifest(
    *scripts: dict[str, Any], owner: str = "prebuilds", build: str = "1", **settings: Any
) -> dict[str, Any]:
    return {
        "agent_id": f"agent-{build}",
        "agent_name": "main",
        "owner_id": f"id-of-{owner}",
        "owner_username": owner,
        "workspace_id": "w",
        "workspace_name": "dev",
        "workspace_build_id": f"build-{build}",
        "directory": "",
        "environment_variables": {},
        "scripts": list(scripts),
        **settings,
    }


def until(condition: Any, what: str, timeout: float = 10.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)
