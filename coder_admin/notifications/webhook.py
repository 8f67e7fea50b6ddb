"""Delivery by webhook: signed JSON to one address, and to no other that it was not allowed to go.

The endpoint itself is the operator's choice and may lie in a private network. What it redirects to is not:
such a target is resolved, every address of it must be public (unless the operator allows private ones), and
the connection goes to the very address that was looked at, so that a second answer of the name server cannot
change it.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import json
import socket
import ssl
import time
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urljoin, urlsplit, urlunsplit

from django.conf import settings

from coder_admin.foundation.markdown import to_text

from . import lookups
from .delivery import DeliveryError, Letter
from .outbox import storable_reason

VERSION = "1.1"
REDIRECTS = 3
KEEPS_METHOD = (307, 308)
ANSWER_SHOWN = 200
SIGNATURE = "X-Coder-Signature"
TIMESTAMP = "X-Coder-Timestamp"
# IANA has allotted no other IPv6 addresses to the internet: site-local, IPv4-compatible and -translated ones,
# and the NAT64 prefix of an operator's own (64:ff9b:1::/48) lie outside.
_ALLOTTED = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# Special by IANA's registries, but not (all of it) to Python 3.11.
_SPECIAL = (ipaddress.IPv4Network("192.0.0.0/24"), ipaddress.IPv6Network("3fff::/20"))


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect: `url` with the address in place of the name, which goes into `host`."""

    url: str
    host: str = ""
    server_name: str = ""


@cache
def _tls() -> ssl.SSLContext:
    """Reading the authorities' certificates takes longer than a request: once is enough."""
    return ssl.create_default_context()


def body_of(letter: Letter) -> bytes:
    """The JSON of the reference, section 1.4."""
    document: dict[str, Any] = {
        "_version": VERSION,
        "msg_id": str(letter.message.id),
        "payload": letter.message.payload,
        "title": letter.text.title,
        "title_markdown": letter.text.title_markdown,
        "body": to_text(letter.text.body),
        "body_markdown": letter.text.body,
    }
    return json.dumps(document, ensure_ascii=False).encode()


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """`sha256=` and the HMAC of `timestamp.body`: who knows the secret sees that nobody made or kept it."""
    mac = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256)
    return f"sha256={mac.hexdigest()}"


def send(letter: Letter, *, timeout: float) -> None:
    """POST one message within `timeout` seconds, redirects included. Raises DeliveryError."""
    endpoint = settings.NOTIFICATIONS_WEBHOOK_ENDPOINT
    if not endpoint:
        raise DeliveryError("no webhook endpoint is set", retryable=False)
    body, timestamp = body_of(letter), str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "coder-admin-notifier",
        "X-Message-Id": str(letter.message.id),
        TIMESTAMP: timestamp,
    }
    if settings.NOTIFICATIONS_WEBHOOK_SECRET:
        headers[SIGNATURE] = signature(settings.NOTIFICATIONS_WEBHOOK_SECRET, timestamp, body)
    try:
        with asyncio.Runner(loop_factory=lookups.Loop) as runner:
            runner.run(asyncio.wait_for(_post(endpoint, body, headers), timeout))
    except TimeoutError:
        raise DeliveryError(f"the webhook took longer than {timeout:g} s to answer", retryable=True) from None


async def _post(endpoint: str, body: bytes, headers: dict[str, str]) -> None:
    import httpx  # a deployment without a webhook never pays for it

    target, url = Target(endpoint), endpoint
    # No timeout of its own: the caller's deadline is for all of it.
    async with httpx.AsyncClient(trust_env=False, timeout=None, verify=_tls()) as client:  # noqa: S113
        for _ in range(REDIRECTS + 1):
            extensions = {"sni_hostname": target.server_name} if target.server_name else {}
            more = {"Host": target.host} if target.host else {}
            try:
                async with client.stream(
                    "POST", target.url, content=body, headers=headers | more, extensions=extensions
                ) as answer:
                    if answer.status_code < 300:
                        return
                    location = answer.headers.get("Location", "")
                    if answer.status_code not in KEEPS_METHOD or not location:
                        raise DeliveryError(
                            f"the webhook answered {answer.status_code}{await _beginning(answer)}",
                            retryable=True,
                        )
            except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, OSError) as error:
                if isinstance(error.__context__, httpx.InvalidURL):  # of a Location
                    raise _unreadable(error.__context__) from error
                words = str(error) or type(error).__name__
                raise DeliveryError(f"the webhook could not be reached: {words}", retryable=True) from error
            before, url = url, _joined(url, location)
            target = await checked_target(url, came_from=before)
    raise DeliveryError(f"the webhook redirected more than {REDIRECTS} times", retryable=True)


async def _beginning(answer: Any) -> str:
    """The first words of an answer, for whoever reads the delivery log."""
    async for chunk in answer.aiter_bytes(ANSWER_SHOWN):
        words = " ".join(storable_reason(chunk[:ANSWER_SHOWN].decode(errors="replace")).split())
        return f": {words}" if words else ""
    return ""


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise _unreadable(error) from error


async def checked_target(url: str, *, came_from: str) -> Target:
    """Where a redirect leads. Raises DeliveryError when it may not be followed."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        name = (parts.hostname or "").encode("idna").decode()  # a UnicodeError is a ValueError
    except ValueError as error:
        raise _unreadable(error) from error
    if parts.scheme not in ("http", "https") or not name:
        raise _not_followed("only http and https addresses are followed")
    if parts.scheme == "http" and urlsplit(came_from).scheme == "https":
        raise _not_followed("it leads from https to http")
    if settings.NOTIFICATIONS_WEBHOOK_ALLOW_PRIVATE:
        return Target(url)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise DeliveryError(
            f"the webhook's redirect to {name} cannot be resolved: {error}", retryable=True
        ) from error
    addresses = [str(entry[4][0]) for entry in found]
    private = [address for address in addresses if not is_public(address)]
    if private or not addresses:
        raise _not_followed(
            f"{name} is the private address {private[0] if private else '(none)'}; "
            "CODER_ADMIN_NOTIFICATIONS_WEBHOOK_ALLOW_PRIVATE=true allows that"
        )
    address = addresses[0]
    numeric = f"[{address}]" if ":" in address else address
    default = parts.port is None
    pinned = urlunsplit((parts.scheme, f"{numeric}:{port}", parts.path or "/", parts.query, ""))
    shown = f"[{name}]" if ":" in name else name
    return Target(pinned, host=shown if default else f"{shown}:{port}", server_name=name)


def is_public(address: str) -> bool:
    """Whether an address is one of the open internet; what leads to an IPv4 address is judged by that."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if ip not in _ALLOTTED:
            return False
    known = any(ip.version == network.version and ip in network for network in _SPECIAL)
    return ip.is_global and not ip.is_multicast and not known


def _unreadable(error: BaseException) -> DeliveryError:
    return _not_followed(f"its address cannot be read: {error}")


def _not_followed(reason: str) -> DeliveryError:
    return DeliveryError(f"the webhook's redirect was not followed: {reason}", retryable=False)
