"""Django's SMTP backend with one deadline for everything that it does."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from smtplib import SMTP, SMTP_SSL
from typing import Any, Self

from django.core.mail.backends.smtp import EmailBackend
from django.core.mail.utils import DNS_NAME

from . import lookups


class Deadline:
    """The moment, some seconds after it was made, at which a connection is cut, whatever it is doing.

    The timeout of a socket bounds each answer, not the whole: a server that drips would never be left.
    """

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._watched: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            if self._watched is not None:
                self._watched.close()
                self._watched = None

    @property
    def passed(self) -> bool:
        return time.monotonic() >= self._at

    def left(self) -> float:
        """Seconds until then. Raises TimeoutError when there are none."""
        seconds = self._at - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("the time is over")
        return seconds

    def connect(self, host: str, port: int) -> socket.socket:
        """A connection that is cut at the deadline. Raises OSError."""
        look = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = lookups.within(self.left(), look)
        failure: OSError = OSError(f"{host} has no address")
        for number, (family, kind, protocol, _, address) in enumerate(found):
            made: socket.socket | None = None
            try:
                # A family that this machine does not speak raises here.
                made = socket.socket(family, kind, protocol)
                # An address that swallows everything leaves time for those behind it.
                made.settimeout(self.left() / (len(found) - number))
                made.connect(address)
                self._watch(made)
            except OSError as error:
                if made is not None:
                    made.close()
                failure = error
            else:
                return made
        raise failure

    def _watch(self, made: socket.socket) -> None:
        """Keep a handle of our own: encryption moves the connection into another object."""
        with self._lock:
            made.settimeout(self.left())
            self._watched = made.dup()

    def _cut(self) -> None:
        with self._lock:
            if self._watched is not None:
                with suppress(OSError):
                    self._watched.shutdown(socket.SHUT_RDWR)


class _Timed:
    """An SMTP connection that `deadline` opens and cuts."""

    def __init__(self, *args: Any, deadline: Deadline, **options: Any) -> None:
        self._deadline = deadline
        super().__init__(*args, **options)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return self._deadline.connect(host, port)


class _Plain(_Timed, SMTP):
    pass


class _Encrypted(_Timed, SMTP_SSL):
    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return self.context.wrap_socket(super()._get_socket(host, port, timeout), server_hostname=host)


class Backend(EmailBackend):
    """Sends within `deadline`: name server, connection, greeting, encryption, login and all data."""

    def __init__(self, *, deadline: Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    @property
    def connection_class(self) -> Callable[..., SMTP]:  # type: ignore[override]
        return partial(_Encrypted if self.use_ssl else _Plain, deadline=self._deadline)

    def open(self) -> bool | None:
        # Our own name, for the greeting: kept by Django, but first asked of the name server too.
        lookups.within(self._deadline.left(), DNS_NAME.get_fqdn)
        return super().open()
