"""Webhooks to a real receiver: what is sent, what counts as delivered, where redirects may lead."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import socket
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from coder_admin.notifications import webhook
from coder_admin.notifications.delivery import DeliveryError
from coder_admin.notifications.dispatcher import Notifier
from coder_admin.notifications.kinds import Kind
from coder_admin.notifications.models import NotificationMessage
from coder_admin.notifications.webhook import checked_target, is_public
from coder_admin.organizations.models import User
from tests.notifications import kit
from tests.notifications.kit import Receiver, queue, statuses


@pytest.fixture
def tls_receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A real HTTPS receiver with a certificate that the application trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "receiver.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem.write_bytes(secret + certificate.public_bytes(Encoding.PEM))
    ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ours.load_cert_chain(pem)
    trusting = ssl.create_default_context(cafile=str(pem))
    monkeypatch.setattr(webhook, "_tls", lambda: trusting)
    with kit.receiver(ours) as made:
        yield made


def reason() -> str:
    return NotificationMessage.objects.get(method="webhook").status_reason


def test_the_body_of_the_reference_signed(user: User, kind: Kind, receiver: Receiver) -> None:
    queue(kind, user, name="a*b")
    Notifier().deliver_batch()
    assert statuses() == {"webhook": "sent", "inbox": "sent"}
    request = receiver.requests[0]
    id_ = str(NotificationMessage.objects.get(method="webhook").id)
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-message-id"] == id_
    body = json.loads(request.body)
    assert set(body) == {
        "_version",
        "msg_id",
        "payload",
        "title",
        "title_markdown",
        "body",
        "body_markdown",
    }
    assert (body["_version"], body["msg_id"]) == ("1.1", id_)
    assert body["payload"]["labels"]["name"] == "a*b"
    assert body["title"] == "Workspace a*b deleted"
    assert body["title_markdown"] == r"Workspace a\*b deleted"
    assert body["body"].startswith("a*b of ada")
    assert body["body_markdown"].startswith(r"**a\*b** of ada")
    stamp = request.headers["x-coder-timestamp"]
    mac = hmac.new(b"shared", f"{stamp}.".encode() + request.body, hashlib.sha256).hexdigest()
    assert request.headers["x-coder-signature"] == f"sha256={mac}"


def test_without_a_secret_nothing_is_signed(
    user: User, kind: Kind, receiver: Receiver, settings: Any
) -> None:
    settings.NOTIFICATIONS_WEBHOOK_SECRET = ""
    queue(kind, user)
    Notifier().deliver_batch()
    assert "x-coder-signature" not in receiver.requests[0].headers


@pytest.mark.parametrize("status", [300, 302, 400, 404, 429, 500])
def test_any_other_answer_is_tried_again(user: User, kind: Kind, receiver: Receiver, status: int) -> None:
    receiver.answers = [status]
    queue(kind, user)
    Notifier().deliver_batch()
    assert statuses()["webhook"] == "temporary_failure"
    assert f"answered {status}: seen <b>" in reason()


def test_no_content_is_delivered(user: User, kind: Kind, receiver: Receiver) -> None:
    receiver.answers = [204]
    queue(kind, user)
    Notifier().deliver_batch()
    assert statuses()["webhook"] == "sent"


def test_a_receiver_that_is_away_is_tried_again(
    user: User, kind: Kind, receiver: Receiver, settings: Any
) -> None:
    settings.NOTIFICATIONS_WEBHOOK_ENDPOINT = "http://127.0.0.1:9/hook"
    queue(kind, user)
    Notifier().deliver_batch()
    assert statuses()["webhook"] == "temporary_failure"
    assert "could not be reached" in reason()


def test_a_receiver_that_does_not_answer_in_time_is_left(
    user: User, kind: Kind, receiver: Receiver, settings: Any
) -> None:
    settings.NOTIFICATIONS_DISPATCH_TIMEOUT = 0.3
    receiver.hold = True
    queue(kind, user)
    Notifier().deliver_batch()
    assert statuses()["webhook"] == "temporary_failure"
    assert "longer than 0.3 s" in reason()


@pytest.mark.parametrize("redirected", [False, True])
def test_a_name_server_that_hangs_is_left(
    user: User, kind: Kind, receiver: Receiver, settings: Any, name_server: Event, redirected: bool
) -> None:
    settings.NOTIFICATIONS_DISPATCH_TIMEOUT = 0.3
    if redirected:
        receiver.answers = [(307, "http://hangs.example/hook")]
    else:
        settings.NOTIFICATIONS_WEBHOOK_ENDPOINT = "http://hangs.example/hook"
    queue(kind, user)
    began = time.monotonic()
    Notifier().deliver_batch()
    assert time.monotonic() - began < 5
    assert statuses()["webhook"] == "temporary_failure"
    assert "longer than 0.3 s" in reason()


def test_a_redirect_to_a_private_address_is_not_followed(user: User, kind: Kind, receiver: Receiver) -> None:
    receiver.answers = [(307, f"{receiver.url}/inner")]
    queue(kind, user)
    Notifier().deliver_batch()
    assert statuses()["webhook"] == "permanent_failure"
    assert "127.0.0.1 is the private address 127.0.0.1" in reason()
    assert "ALLOW_PRIVATE" in reason()
    assert [request.path for request in receiver.requests] == ["/hook"]


@pytest.mark.parametrize("allowed", [False, True])
@pytest.mark.parametrize(
    "location",
    [
        "http://[nowhere",
        "http://a..b/x",
        "http://.example.com/x",
        f"http://{'a' * 64}.example.com/x",
        f"http://{'ü' * 64}.example.com/x",
        f"http://8.8.8.8/{'x' * 65_536}",
    ],
)
def test_a_redirect_that_cannot_be_read_is_final(
    user: User, kind: Kind, receiver: Receiver, settings: Any, location: str, allowed: bool
) -> None:
    settings.NOTIFICATIONS_WEBHOOK_ALLOW_PRIVATE = allowed
    receiver.answers = [(307, location)]
    queue(kind, user)
    Notifier().deliver_batch()
    assert statuses()["webhook"] == "permanent_failure"
    assert "cannot be read" in reason()


def test_an_operator_may_allow_it(user: User, kind: Kind, receiver: Receiver, settings: Any) -> None:
    settings.NOTIFICATIONS_WEBHOOK_ALLOW_PRIVATE = True
    receiver.answers = [(308, "/moved"), (307, "/there")]
    queue(kind, user)
    Notifier().deliver_batch()
    assert statuses()["webhook"] == "sent"
    assert [request.path for request in receiver.requests] == ["/hook", "/moved", "/there"]
    assert len({request.body for request in receiver.requests}) == 1
    assert len({request.headers["x-coder-signature"] for request in receiver.requests}) == 1


def test_redirects_end(user: User, kind: Kind, receiver: Receiver, settings: Any) -> None:
    settings.NOTIFICATIONS_WEBHOOK_ALLOW_PRIVATE = True
    receiver.answers = [(307, "/again")] * 9
    queue(kind, user)
    Notifier().deliver_batch()
    assert statuses()["webhook"] == "temporary_failure"
    assert len(receiver.requests) == 4


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2001:4860:4860::8888", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:8.8.8.8", True),
        ("::ffff:8.8.8.8%1", True),
        # NAT64: the well-known prefix leads to the IPv4 address, the local one where an operator wants.
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("64:ff9b::808:808", True),
        ("64:ff9b:1::1", False),
        ("64:ff9b:1::808:808", False),
        ("64:ff9b:1:ffff:ffff:ffff:7f00:1", False),
        # 6to4 and Teredo are judged by the IPv4 address in them.
        ("2002:7f00:1::", False),
        ("2002:a00:1::1", False),
        ("2002:808:808::1", True),
        ("2001:0:4136:e378:8000:63bf:80ff:fffe", False),  # of 127.0.0.1
        # Site-local, as old networks still use it.
        ("fec0::1", False),
        ("feff:ffff::1", False),
        # IPv4-compatible and IPv4-translated: no part of the internet, whatever they hold.
        ("::127.0.0.1", False),
        ("::10.0.0.1", False),
        ("::8.8.8.8", False),
        ("::ffff:0:127.0.0.1", False),
        ("::ffff:0:8.8.8.8", False),
        # Not allotted to the internet at all, or to no host of it.
        ("::", False),
        ("100::1", False),
        ("4000::1", False),
        ("5f00::1", False),
        ("ff02::1", False),
        ("ff0e::1", False),
        ("2001:db8::1", False),
        ("3fff::1", False),
        ("192.0.0.8", False),
        ("192.0.2.1", False),
        ("198.18.0.1", False),
        ("203.0.113.9", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("2606:4700:4700::1111", True),
        ("2a00:1450:4001::1", True),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://example.com/x", "only http and https"),
        ("http:///nowhere", "only http and https"),
        ("http://example.com:99999/", "cannot be read"),
        ("http://8.8.8.8/", "from https to http"),
        ("https://169.254.169.254/latest", "private address 169.254.169.254"),
        ("https://[::1]/", "private address ::1"),
        ("https://0x7f000001/", "private address 127.0.0.1"),
    ],
)
def test_redirects_that_are_refused(url: str, words: str) -> None:
    with pytest.raises(DeliveryError, match=words) as caught:
        asyncio.run(checked_target(url, came_from="https://example.com/hook"))
    assert not caught.value.retryable


@pytest.mark.parametrize(
    "before", ["https://example.com/hook", "HTTPS://example.com/hook", "hTTps://8.8.8.8/"]
)
@pytest.mark.parametrize("after", ["http://8.8.8.8/", "HTTP://8.8.8.8/"])
@pytest.mark.parametrize("allowed", [False, True])
def test_no_hop_leads_from_https_to_http(before: str, after: str, allowed: bool, settings: Any) -> None:
    settings.NOTIFICATIONS_WEBHOOK_ALLOW_PRIVATE = allowed
    with pytest.raises(DeliveryError, match="from https to http") as caught:
        asyncio.run(checked_target(after, came_from=before))
    assert not caught.value.retryable


def test_each_hop_is_compared_with_the_one_before_it(
    user: User, kind: Kind, receiver: Receiver, settings: Any, tls_receiver: Receiver
) -> None:
    """An endpoint without encryption redirects to one with it: from there nothing leads back."""
    settings.NOTIFICATIONS_WEBHOOK_ALLOW_PRIVATE = True
    receiver.answers = [(307, tls_receiver.url)]
    tls_receiver.answers = [(307, f"{receiver.url}/back")]
    queue(kind, user)
    Notifier().deliver_batch()
    assert [request.path for request in receiver.requests] == ["/hook"]
    assert [request.path for request in tls_receiver.requests] == ["/hook"]
    assert statuses()["webhook"] == "permanent_failure"
    assert "from https to http" in reason()


def test_the_connection_goes_to_the_address_that_was_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that answers differently the second time (rebinding) is never asked again."""

    def resolve(host: str, port: int, *args: Any, **options: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    target = asyncio.run(checked_target("https://hooks.example.com/a?b=c", came_from="https://x.example"))
    assert target.url == "https://93.184.216.34:443/a?b=c"
    assert (target.host, target.server_name) == ("hooks.example.com", "hooks.example.com")
    target = asyncio.run(checked_target("https://h\u00fc.example/", came_from="https://x.example"))
    assert (target.host, target.server_name) == ("xn--h-eha.example", "xn--h-eha.example")


def test_an_endpoint_that_is_no_name_is_tried_again_once_corrected(
    user: User, kind: Kind, receiver: Receiver, settings: Any
) -> None:
    settings.NOTIFICATIONS_WEBHOOK_ENDPOINT = "http://a..b/hook"
    queue(kind, user)
    Notifier().deliver_batch()
    assert statuses()["webhook"] == "temporary_failure"
    assert "could not be reached" in reason()
