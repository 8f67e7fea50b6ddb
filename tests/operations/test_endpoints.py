"""Health, and who may read the metrics."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from django.db import OperationalError, connection
from django.test import Client

from coder_admin.organizations.models import User
from coder_admin.organizations.services.bootstrap import first_user_create

SERIES = "coderd_prebuilt_workspaces_reconciliation_paused"


@pytest.fixture
def owner(db: None) -> User:
    return first_user_create(username="root", email="root@example.com", password="a-long-enough-passphrase")


def test_health_needs_no_login(client: Client, db: None) -> None:
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 200


def test_readiness_is_the_database_s(client: Client, db: None) -> None:
    with patch.object(connection, "cursor", side_effect=OperationalError("gone")):
        answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "database" in answer.content.decode()


def test_metrics_are_closed_to_strangers(client: Client, db: None, settings: pytest.FixtureRequest) -> None:
    answer = client.get("/metrics")
    assert answer.status_code == 401
    assert SERIES not in answer.content.decode()


def test_metrics_by_token(client: Client, db: None, settings: pytest.FixtureRequest) -> None:
    settings.METRICS_TOKEN = "scrape-me"  # type: ignore[attr-defined]
    assert client.get("/metrics", headers={"Authorization": "Bearer scrape-me"}).status_code == 200
    assert client.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 401


def test_metrics_for_whoever_may_read_statistics(client: Client, owner: User) -> None:
    client.force_login(owner)
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert SERIES in answer.content.decode()
    plain = User.objects.create_user("plain", "plain@example.com", "a-long-enough-passphrase")
    client.force_login(plain)
    assert client.get("/metrics").status_code == 401


def test_metrics_where_everybody_is_local(client: Client, db: None, settings: pytest.FixtureRequest) -> None:
    settings.METRICS_OPEN = True  # type: ignore[attr-defined]
    assert SERIES in client.get("/metrics").content.decode()
