"""A small HTTP/1.1 client: one kept connection for JSON calls, one open connection per event stream.

Every call of the agent may safely be made twice (logs carry their position, reports name their agent),
so a call over a kept connection that the server has closed meanwhile is simply repeated on a new one.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import IO, Any, NamedTuple
from urllib.parse import urlsplit

LONGEST_BODY = 8 * 1024 * 1024
LONGEST_LINE = 64 * 1024


class TransportError(Exception):
    """No usable answer came back: refused, cut off, timed out, or not HTTP."""


class Answer(NamedTuple):
    status: int
    body: bytes

    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise TransportError(f"the server's answer is not JSON: {error}") from error

    @property
    def message(self) -> str:
        """The server's own sentence about an error, or the start of whatever it sent."""
        try:
            found = json.loads(self.body)
            return str(found["message"])
        except (ValueError, KeyError, TypeError):
            return self.body[:200].decode("utf-8", "replace")


class _Connection:
    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.reader: IO[bytes] = sock.makefile("rb")

    def close(self) -> None:
        for part in (self.reader, self.sock):
            try:
                part.close()
            except OSError:
                continue


class _Head(NamedTuple):
    status: int
    headers: dict[str, str]

    @property
    def chunked(self) -> bool:
        return "chunked" in self.headers.get("transfer-encoding", "").lower()

    @property
    def keeps_open(self) -> bool:
        return self.headers.get("connection", "").lower() != "close"


class Client:
    """Calls one server with one token. Not for use by two threads at a time."""

    def __init__(self, url: str, token: str, timeout: float = 10.0) -> None:
        parts = urlsplit(url)
        self._tls = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._tls else 80)
        self._prefix = parts.path.rstrip("/")
        self._authority = parts.netloc.rpartition("@")[2]
        self._token = token
        self._timeout = timeout
        self._kept: _Connection | None = None

    def call(self, method: str, path: str, payload: Any = None) -> Answer:
        """Send one request and read its whole answer. Raises TransportError."""
        request = self._request(method, path, payload, accept="application/json")
        kept, self._kept = self._kept, None
        if kept is not None:
            try:
                return self._exchange(kept, request)
            except TransportError:
                kept.close()
        connection = self._connect(self._timeout)
        try:
            return self._exchange(connection, request)
        except TransportError:
            connection.close()
            raise

    def stream(self, path: str, silence: float) -> Iterator[str | Answer]:
        """Open an event stream: yields its lines of text, or a single Answer if the status is not 200.

        `silence` is the longest time in seconds without a byte before the stream counts as lost.
        """
        connection = self._connect(silence)
        try:
            head = self._send(connection, self._request("GET", path, None, accept="text/event-stream"))
            if head.status != 200:
                yield Answer(head.status, self._body(connection, head))
                return
            yield from _lines(connection.reader, head.chunked)
        except (OSError, ValueError) as error:
            raise TransportError(str(error) or type(error).__name__) from error
        finally:
            connection.close()

    def close(self) -> None:
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _connect(self, timeout: float) -> _Connection:
        try:
            sock = socket.create_connection((self._host, self._port), timeout=self._timeout)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls:
                import ssl  # only here: it costs six megabytes

                sock = ssl.create_default_context().wrap_socket(sock, server_hostname=self._host)
            sock.settimeout(timeout)
        except OSError as error:
            raise TransportError(f"cannot reach {self._authority}: {error}") from error
        return _Connection(sock)

    def _request(self, method: str, path: str, payload: Any, *, accept: str) -> bytes:
        body = b"" if payload is None else json.dumps(payload).encode()
        lines = [
            f"{method} {self._prefix}{path} HTTP/1.1",
            f"Host: {self._authority}",
            f"Coder-Session-Token: {self._token}",
            f"Accept: {accept}",
            "User-Agent: coder-admin-agent",
        ]
        if method != "GET":
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body

    def _exchange(self, connection: _Connection, request: bytes) -> Answer:
        try:
            head = self._send(connection, request)
            body = self._body(connection, head)
        except (OSError, ValueError) as error:
            raise TransportError(str(error) or type(error).__name__) from error
        if head.keeps_open:
            self._kept = connection
        else:
            connection.close()
        return Answer(head.status, body)

    def _send(self, connection: _Connection, request: bytes) -> _Head:
        connection.sock.sendall(request)
        while True:
            head = _read_head(connection.reader)
            if head.status >= 200:
                return head

    def _body(self, connection: _Connection, head: _Head) -> bytes:
        if head.status in (204, 304):
            return b""
        if head.chunked:
            return b"".join(_chunks(connection.reader))
        if "content-length" not in head.headers:
            head.headers["connection"] = "close"
            return connection.reader.read(LONGEST_BODY)
        length = int(head.headers["content-length"])
        if length > LONGEST_BODY:
            raise ValueError(f"an answer of {length} bytes is too long")
        body = connection.reader.read(length)
        if len(body) < length:
            raise ValueError("the answer was cut off")
        return body


def probe(url: str, timeout: float) -> int:
    """The status of one GET to any address, without the agent's token. Raises TransportError."""
    client = Client(url, "", timeout)
    connection = client._connect(timeout)
    try:
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [f"GET {path} HTTP/1.1", f"Host: {client._authority}", "Connection: close"]
        connection.sock.sendall("\r\n".join([*lines, "User-Agent: coder-admin-agent", "", ""]).encode())
        return _read_head(connection.reader).status
    except (OSError, ValueError) as error:
        raise TransportError(str(error) or type(error).__name__) from error
    finally:
        connection.close()


def _read_head(reader: IO[bytes]) -> _Head:
    status_line = reader.readline(LONGEST_LINE)
    parts = status_line.split(None, 2)
    if len(parts) < 2 or not parts[0].startswith(b"HTTP/1."):
        raise ValueError("the connection was closed" if not status_line else "the answer is not HTTP")
    headers: dict[str, str] = {}
    while (line := reader.readline(LONGEST_LINE)) not in (b"\r\n", b"\n"):
        if not line:
            raise ValueError("the answer was cut off")
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    if parts[0] == b"HTTP/1.0":
        headers.setdefault("connection", "close")
    return _Head(int(parts[1]), headers)


def _chunks(reader: IO[bytes]) -> Iterator[bytes]:
    while True:
        size = int(reader.readline(LONGEST_LINE).split(b";")[0], 16)
        if size > LONGEST_BODY:
            raise ValueError("a chunk of the answer is too long")
        chunk = reader.read(size)
        if len(chunk) < size:
            raise ValueError("the answer was cut off")
        reader.readline(LONGEST_LINE)
        if size == 0:
            return
        yield chunk


def _lines(reader: IO[bytes], chunked: bool) -> Iterator[str]:
    """Lines of a stream without their line ends; an unfinished last line is dropped (it was cut off)."""
    rest = b""
    pieces = _chunks(reader) if chunked else iter(lambda: reader.readline(LONGEST_LINE), b"")
    for piece in pieces:
        *complete, rest = (rest + piece).split(b"\n")
        for line in complete:
            yield line.rstrip(b"\r").decode("utf-8", "replace")
        if len(rest) > LONGEST_LINE:
            raise ValueError("a line of the event stream is too long")
