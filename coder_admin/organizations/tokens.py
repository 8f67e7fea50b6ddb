"""The text of API tokens: a public id, a hyphen, a secret. Only the secret's hash is stored. Pure."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
from dataclasses import dataclass

ID_LENGTH = 10
SECRET_LENGTH = 22
_ALPHABET = string.ascii_letters + string.digits
_TOKEN = re.compile(rf"([a-zA-Z0-9]{{{ID_LENGTH}}})-([a-zA-Z0-9]{{{SECRET_LENGTH}}})\Z")


@dataclass(frozen=True)
class Token:
    """A token in clear, as its user sees it once."""

    id: str
    secret: str

    def __str__(self) -> str:
        return f"{self.id}-{self.secret}"


def new_token() -> Token:
    """Random; the secret has 131 bits, so a plain SHA-256 of it needs no salt and no slowness."""
    return Token(_random(ID_LENGTH), _random(SECRET_LENGTH))


def parse_token(text: str) -> Token | None:
    """The parts of a token, or None when the text cannot be one."""
    match = _TOKEN.match(text)
    return Token(match[1], match[2]) if match else None


def hash_secret(secret: str) -> str:
    """What is stored of a secret (64 hex digits)."""
    return hashlib.sha256(secret.encode()).hexdigest()


def secret_matches(secret: str, hashed: str) -> bool:
    """Compare in a time that tells nothing."""
    return hmac.compare_digest(hash_secret(secret), hashed)


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
