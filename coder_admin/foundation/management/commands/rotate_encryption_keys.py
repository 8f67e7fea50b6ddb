"""``manage.py rotate_encryption_keys``: everything encrypted in the database under the first key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError
from django.db import models

from coder_admin.foundation.encryption import (
    EncryptedBinaryField,
    EncryptionError,
    Sealed,
    made_by_first_key,
    rotate,
)

BATCH = 100


class Command(BaseCommand):
    """May run while the application works, and again after it was interrupted."""

    help = "Encrypt stored states with the first key of CODER_ADMIN_ENCRYPTION_KEYS, then old keys may go."

    def handle(self, *args: Any, **options: Any) -> None:
        rotated = lost = 0
        for model, field in _encrypted_fields():
            for pk, stored in _stored(model, field):
                try:
                    fresh = rotate(stored)
                except EncryptionError:
                    lost += 1
                    continue
                # Only what is still the same: a build may have stored a newer state in between.
                same = model._default_manager.filter(pk=pk, **{field: Sealed(stored)})
                rotated += same.update(**{field: Sealed(fresh)})
        self.stdout.write(f"{rotated} values are encrypted anew.")
        if lost:
            raise CommandError(f"{lost} values cannot be decrypted: none of the present keys made them.")


def _encrypted_fields() -> Iterator[tuple[type[models.Model], str]]:
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, EncryptedBinaryField):
                yield model, field.attname


def _stored(model: type[models.Model], field: str) -> Iterator[tuple[Any, bytes]]:
    """Rows that are to be rotated, a batch in memory at a time."""
    rows = model._default_manager.filter(**{f"{field}__isnull": False}).order_by("pk")
    last: Any = None
    while batch := list(
        (rows if last is None else rows.filter(pk__gt=last)).values_list("pk", field)[:BATCH]
    ):
        for pk, stored in batch:
            if not made_by_first_key(bytes(stored)):
                yield pk, bytes(stored)
        last = batch[-1][0]
