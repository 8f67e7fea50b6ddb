"""Login through an OpenID Connect provider, and what its claims decide (names are Coder's)."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from .environment import env

PROVIDER = "oidc"
"""The provider's id in addresses: `/login/oidc`."""


def _json(name: str) -> dict[str, Any]:
    """A JSON object from the environment."""
    text = env.str(name, default="") or "{}"
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise ImproperlyConfigured(f"{name} must be a JSON object that maps claim values.")
    return value


def _lists(name: str) -> dict[str, list[str]]:
    """A JSON object of lists of texts."""
    value = _json(name)
    wrong = [key for key, items in value.items() if not _is_texts(items)]
    if wrong:
        raise ImproperlyConfigured(f'{name}: the value of "{wrong[0]}" must be a list of texts.')
    return value


def _texts(name: str) -> dict[str, str]:
    """A JSON object of texts."""
    value = _json(name)
    wrong = [key for key, item in value.items() if not isinstance(item, str)]
    if wrong:
        raise ImproperlyConfigured(f'{name}: the value of "{wrong[0]}" must be a text.')
    return value


def _is_texts(items: Any) -> bool:
    return isinstance(items, list) and all(isinstance(item, str) for item in items)


def _pattern(name: str) -> str:
    import re2

    text: str = env.str(name, default="")
    try:
        re2.compile(text)
    except re2.error as error:
        raise ImproperlyConfigured(f"{name} is no regular expression (RE2): {error}") from error
    return text


def _issuer() -> str:
    """Without TLS anybody on the way could be the provider; a provider on this machine is a test."""
    url: str = env.str("CODER_OIDC_ISSUER_URL", default="").rstrip("/")
    parts = urlsplit(url)
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if url and not (parts.scheme == "https" or (parts.scheme == "http" and local)):
        raise ImproperlyConfigured("CODER_OIDC_ISSUER_URL must be an https address.")
    return url


def allauth_providers(
    *, issuer: str, client_id: str, client_secret: str, name: str, scopes: list[str], userinfo: bool = True
) -> dict[str, Any]:
    """What django-allauth needs to know of the provider; nothing when none is configured."""
    if not (issuer and client_id):
        return {}
    app = {
        "provider_id": PROVIDER,
        "name": name,
        "client_id": client_id,
        "secret": client_secret,
        "settings": {
            "server_url": issuer,
            "oauth_pkce_enabled": True,
            "fetch_userinfo": userinfo,
            "scope": scopes,
        },
    }
    return {"openid_connect": {"APPS": [app]}}


OIDC_ISSUER_URL = _issuer()
OIDC_CLIENT_ID = env.str("CODER_OIDC_CLIENT_ID", default="")
OIDC_CLIENT_SECRET = env.str("CODER_OIDC_CLIENT_SECRET", default="")
OIDC_SCOPES = env.list("CODER_OIDC_SCOPES", default=["openid", "profile", "email"])
OIDC_IGNORE_USERINFO = env.switch("CODER_OIDC_IGNORE_USERINFO", default=False)
OIDC_SIGN_IN_TEXT = env.str("CODER_OIDC_SIGN_IN_TEXT", default="OpenID Connect")
OIDC_ICON_URL = env.str("CODER_OIDC_ICON_URL", default="")
OIDC_ALLOW_SIGNUPS = env.switch("CODER_OIDC_ALLOW_SIGNUPS", default=True)
OIDC_EMAIL_DOMAIN = env.list("CODER_OIDC_EMAIL_DOMAIN", default=[])
OIDC_IGNORE_EMAIL_VERIFIED = env.switch("CODER_OIDC_IGNORE_EMAIL_VERIFIED", default=False)
OIDC_USERNAME_FIELD = env.str("CODER_OIDC_USERNAME_FIELD", default="preferred_username")
OIDC_NAME_FIELD = env.str("CODER_OIDC_NAME_FIELD", default="name")
OIDC_EMAIL_FIELD = env.str("CODER_OIDC_EMAIL_FIELD", default="email")
DISABLE_PASSWORD_AUTH = env.switch("CODER_DISABLE_PASSWORD_AUTH", default=False)

# Organizations, groups of the default organization and site roles by claims; the settings pages win.
OIDC_ORGANIZATION_FIELD = env.str("CODER_OIDC_ORGANIZATION_FIELD", default="")
OIDC_ORGANIZATION_MAPPING = _lists("CODER_OIDC_ORGANIZATION_MAPPING")
OIDC_ORGANIZATION_ASSIGN_DEFAULT = env.switch("CODER_OIDC_ORGANIZATION_ASSIGN_DEFAULT", default=True)
OIDC_GROUP_FIELD = env.str("CODER_OIDC_GROUP_FIELD", default="")
OIDC_GROUP_MAPPING = _texts("CODER_OIDC_GROUP_MAPPING")
OIDC_GROUP_REGEX_FILTER = _pattern("CODER_OIDC_GROUP_REGEX_FILTER")
OIDC_GROUP_AUTO_CREATE = env.switch("CODER_OIDC_GROUP_AUTO_CREATE", default=False)
OIDC_ALLOWED_GROUPS = env.list("CODER_OIDC_ALLOWED_GROUPS", default=[])
OIDC_USER_ROLE_FIELD = env.str("CODER_OIDC_USER_ROLE_FIELD", default="")
OIDC_USER_ROLE_MAPPING = _lists("CODER_OIDC_USER_ROLE_MAPPING")
OIDC_USER_ROLE_DEFAULT = env.list("CODER_OIDC_USER_ROLE_DEFAULT", default=[])

# django-allauth speaks the protocol; accounts, sessions and links are ours.
SOCIALACCOUNT_ADAPTER = "coder_admin.organizations.oidc.adapter.OidcAdapter"
SOCIALACCOUNT_PROVIDERS = allauth_providers(
    issuer=OIDC_ISSUER_URL,
    client_id=OIDC_CLIENT_ID,
    client_secret=OIDC_CLIENT_SECRET,
    name=OIDC_SIGN_IN_TEXT,
    scopes=OIDC_SCOPES,
    userinfo=not OIDC_IGNORE_USERINFO,
)
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_LOGIN_ON_GET = True
SOCIALACCOUNT_REQUESTS_TIMEOUT = 10
ACCOUNT_EMAIL_VERIFICATION = "none"
