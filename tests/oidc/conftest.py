"""The provider as a process, and a browser that logs in through it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from django.test import Client

from coder_admin.settings.identity import allauth_providers

CALLBACK = "http://testserver/login/oidc/callback"


@dataclass
class Provider:
    """The running provider."""

    url: str
    folder: Path

    def say(self, username: str, **claims: Any) -> None:
        """What the provider will say of that person from now on."""
        (self.folder / "claims.json").write_text(json.dumps({username: claims}))

    def answer(self, username: str, authorize_url: str) -> str:
        """The address to which the provider sends the person's browser back."""
        with httpx.Client() as browser:
            browser.get(f"{self.url}/as/{username}")
            response = browser.get(authorize_url)
            assert response.status_code == 302, response.text
            return str(response.headers["location"])

    def log_in(self, browser: Client, username: str, target: str = "", **claims: Any) -> Any:
        """The whole way of a browser: off to the provider, and back. The last answer of this deployment."""
        if "email" not in claims:
            claims["email"] = f"{username}@example.com"
        self.say(username, **{"email_verified": True, "preferred_username": username} | claims)
        away = browser.get("/login/oidc", {"next": target} if target else {})
        assert away.status_code == 302, away.content
        back = self.answer(username, away["Location"])
        assert back.startswith(CALLBACK), back
        parts = urlsplit(back)
        return browser.get(f"{parts.path}?{parts.query}")


@pytest.fixture(scope="session")
def _provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    folder = tmp_path_factory.mktemp("provider")
    command = [sys.executable, "-m", "tests.oidc.provider", str(folder), CALLBACK]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        assert port, "the provider did not start"
        yield Provider(f"http://127.0.0.1:{port}", folder)
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def provider(_provider: Provider, settings: Any) -> Provider:
    settings.OIDC_ISSUER_URL = _provider.url
    settings.SOCIALACCOUNT_PROVIDERS = allauth_providers(
        issuer=_provider.url,
        client_id="coder-admin",
        client_secret="the-client-secret",
        name="Test provider",
        scopes=["openid", "profile", "email"],
    )
    return _provider
