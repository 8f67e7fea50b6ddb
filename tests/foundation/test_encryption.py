"""What the database keeps of a workspace's state can be read with the keys only, and keys can be changed."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import CommandError
from hypothesis import given
from hypothesis import strategies as st

from coder_admin.foundation import encryption
from coder_admin.foundation.encryption import EncryptionError, decrypt, encrypt, made_by_first_key, rotate
from coder_admin.settings.environment import Environment
from coder_admin.workspaces.models import WorkspaceBuild
from tests.workspaces.world import make_world

OLD, NEW = "old " * 10, "new " * 10


@given(st.binary())
def test_what_is_encrypted_comes_back_and_is_nowhere_to_be_seen(data: bytes) -> None:
    stored = encrypt(data)
    assert decrypt(stored) == data
    if len(data) > 16:
        assert data not in stored
        assert encrypt(data) != stored, "the same state twice is not seen to be the same"


def test_a_new_key_encrypts_and_the_old_ones_still_decrypt(settings: Any) -> None:
    by_secret = encrypt(b"state")
    settings.ENCRYPTION_KEYS = [OLD]
    by_old = encrypt(b"state")
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    assert decrypt(by_secret) == decrypt(by_old) == b"state"
    assert not made_by_first_key(by_old)
    rotated = rotate(by_old)
    settings.ENCRYPTION_KEYS = [NEW]
    assert made_by_first_key(rotated)
    assert decrypt(rotated) == b"state"
    with pytest.raises(EncryptionError, match="CODER_ADMIN_ENCRYPTION_KEYS"):
        decrypt(by_old)


def test_what_was_changed_is_refused() -> None:
    stored = bytearray(encrypt(b"state"))
    stored[-5] ^= 1
    with pytest.raises(EncryptionError):
        decrypt(bytes(stored))


def test_a_short_key_is_refused_without_repeating_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X_KEYS", f"{OLD},hunter2")
    with pytest.raises(ImproperlyConfigured, match="fewer than 32") as caught:
        Environment().secrets("X_KEYS", shortest=32)
    assert "hunter2" not in str(caught.value)


def stored(build: WorkspaceBuild) -> bytes:
    state = WorkspaceBuild.objects.values_list("provisioner_state", flat=True).get(pk=build.pk)
    assert state is not None
    return bytes(state)


@pytest.mark.django_db
def test_a_state_in_the_database_is_rotated_by_the_command(settings: Any) -> None:
    build = make_world().running().latest_build
    assert build is not None
    WorkspaceBuild.objects.filter(pk=build.pk).update(provisioner_state=b"the token is hunter2")
    assert b"hunter2" not in stored(build)
    fresh = WorkspaceBuild.objects.get(pk=build.pk)
    assert fresh.provisioner_state == b"the token is hunter2"
    settings.ENCRYPTION_KEYS = [NEW]
    out = StringIO()
    call_command("rotate_encryption_keys", stdout=out)
    assert "1 values" in out.getvalue()
    assert made_by_first_key(stored(build))
    # The row itself is still there when its key is lost; only the state is out of reach.
    settings.ENCRYPTION_KEYS = [OLD]
    lost = WorkspaceBuild.objects.get(pk=build.pk)
    assert lost.build_number == build.build_number
    with pytest.raises(EncryptionError):
        _ = lost.provisioner_state
    with pytest.raises(CommandError, match="cannot be decrypted"):
        call_command("rotate_encryption_keys", stdout=StringIO())


def test_what_was_stored_before_is_read_and_then_encrypted() -> None:
    assert decrypt(b'{"format": "old"}') == b'{"format": "old"}'
    assert rotate(b'{"format": "old"}').startswith(encryption.PREFIX)
