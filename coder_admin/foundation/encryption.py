"""Encryption of what the database keeps and nobody may read from it: states of workspaces, above all.

Fernet (AES-128-CBC with HMAC-SHA-256) from ``cryptography``. The keys are derived by HKDF from the texts in
``CODER_ADMIN_ENCRYPTION_KEYS``, newest first: the first encrypts, all of them decrypt. Without any the secret
key of the deployment is used; it also stays the last of the keys that decrypt, so that an own key can be
introduced at any time. ``manage.py rotate_encryption_keys`` brings what is stored to the first key.
"""

from __future__ import annotations

import base64
from functools import lru_cache
from typing import Any, Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import models
from django.db.models.query_utils import DeferredAttribute

from .errors import ServiceError

PREFIX: Final = b"fernet1:"  # names the form, so that another one can follow
PURPOSE: Final = b"coder-admin: data at rest, 1"


class EncryptionError(ServiceError):
    """What is stored cannot be decrypted: none of the present keys made it."""

    status = 500


def encrypt(data: bytes) -> bytes:
    """``data`` as it is stored. Empty data stays empty: there is nothing to hide."""
    return PREFIX + _cipher().encrypt(data) if data else b""


def decrypt(stored: bytes) -> bytes:
    """The data that ``encrypt`` was given; what was stored before encryption existed comes back as it is."""
    if not stored.startswith(PREFIX):
        return stored
    try:
        return _cipher().decrypt(stored[len(PREFIX) :])
    except InvalidToken:
        raise EncryptionError(
            "Stored data cannot be decrypted.",
            detail="None of the present keys made it: give CODER_ADMIN_ENCRYPTION_KEYS the former key too "
            "(or CODER_ADMIN_SECRET_KEY its former value).",
        ) from None


def rotate(stored: bytes) -> bytes:
    """The same data under the first key; also encrypts what was stored in the clear."""
    if not stored:
        return stored
    return encrypt(decrypt(stored))


def made_by_first_key(stored: bytes) -> bool:
    """Whether there is nothing to rotate."""
    if not stored:
        return True
    if not stored.startswith(PREFIX):
        return False
    try:
        _fernet(_texts()[0]).decrypt(stored[len(PREFIX) :])
    except InvalidToken:
        return False
    return True


def _texts() -> tuple[str, ...]:
    fallbacks = getattr(settings, "SECRET_KEY_FALLBACKS", ())
    return (*settings.ENCRYPTION_KEYS, settings.SECRET_KEY, *fallbacks)


def _cipher() -> MultiFernet:
    return MultiFernet([_fernet(text) for text in _texts()])


@lru_cache(maxsize=32)
def _fernet(text: str) -> Fernet:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=PURPOSE).derive(text.encode())
    return Fernet(base64.urlsafe_b64encode(derived))


class Sealed(bytes):
    """A value as the database has it, still encrypted."""


class _OpenedOnAccess(DeferredAttribute):
    """Decrypts when somebody looks: lists of rows load the column and rarely read it, and a lost key must
    not keep anybody from seeing everything else of the row."""

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        if instance is None:
            return self
        name = self.field.attname
        value = instance.__dict__[name] if name in instance.__dict__ else super().__get__(instance, cls)
        if isinstance(value, Sealed):
            value = instance.__dict__[name] = decrypt(bytes(value))
        return value

    def __set__(self, instance: Any, value: Any) -> None:
        # With a setter the descriptor is asked even though the instance has the value.
        instance.__dict__[self.field.attname] = value


class EncryptedBinaryField(models.BinaryField):  # type: ignore[type-arg]
    """Bytes that are encrypted in the database. ``values()`` gives them as they are stored (``Sealed``)."""

    descriptor_class = _OpenedOnAccess

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Sealed | None:
        return None if value is None else Sealed(bytes(value))

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        if value is not None:
            value = bytes(value) if isinstance(value, Sealed) else encrypt(bytes(value))
        return super().get_db_prep_value(value, connection, prepared)
