"""The sign-in page keeps the same rules as the API's login: one throttle, one trail."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.test import Client

from coder_admin.audit.models import AuditLog
from tests.people import PASSWORD, person

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh_counters() -> None:
    cache.clear()


def test_sign_in_and_out_are_audited() -> None:
    person("ada")
    browser = Client()
    refused = browser.post("/login", {"username": "ada", "password": "wrong-password-here"})
    assert refused.status_code == 401
    assert "Incorrect email or password." in refused.content.decode()
    assert browser.post("/login", {"username": "ada", "password": PASSWORD}).status_code == 302
    assert browser.get("/api/v2/users/me").json()["username"] == "ada"
    assert browser.post("/logout").status_code == 302
    assert browser.get("/api/v2/users/me").status_code == 401
    rows = AuditLog.objects.filter(action__in=["login", "logout"]).order_by("time")
    assert [(row.action, row.status_code) for row in rows] == [
        ("login", 401),
        ("login", 201),
        ("logout", 200),
    ]


def test_guessing_on_the_page_is_throttled_together_with_the_api() -> None:
    person("ada")
    browser = Client()
    for _ in range(3):
        browser.post("/login", {"username": "ada", "password": "wrong-password-here"})
    for _ in range(2):
        browser.post(
            "/api/v2/users/login",
            {"email": "ada", "password": "wrong-password-here"},
            content_type="application/json",
        )
    waiting = browser.post("/login", {"username": "ada", "password": PASSWORD})
    assert waiting.status_code == 401
    assert "Too many failed attempts" in waiting.content.decode()
