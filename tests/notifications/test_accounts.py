"""Messages about accounts: to owners and user admins, and to whoever's account it is."""

from __future__ import annotations

from typing import Any

import pytest

from coder_admin.notifications.accounts import ABOUT, TO_ONESELF
from coder_admin.notifications.kinds import Kind
from coder_admin.notifications.models import NotificationMessage
from coder_admin.notifications.rendering import render
from coder_admin.organizations import services
from coder_admin.organizations.announcements import AccountEvent
from coder_admin.organizations.choices import UserStatus
from tests.people import owner, person, subject

pytestmark = pytest.mark.django_db


def told(kind: Kind) -> dict[str, dict[str, Any]]:
    rows = NotificationMessage.objects.filter(notification_template_id=kind.id, method="inbox")
    return {row.user.username: row.payload for row in rows.select_related("user")}


def test_the_first_account_has_nobody_to_tell() -> None:
    owner()
    assert not NotificationMessage.objects.exists()


def test_a_new_account_is_told_to_owners_and_user_admins() -> None:
    boss = owner()
    person("keeper", roles=["user-admin"])
    person("curator", roles=["template-admin"])
    NotificationMessage.objects.all().delete()
    services.user_create(
        subject(boss), username="mia", email="mia@example.com", password="correct-horse-battery", name="Mia M"
    )
    messages = told(ABOUT[AccountEvent.CREATED])
    assert set(messages) == {"boss", "keeper"}
    assert messages["boss"]["labels"] == {
        "created_account_name": "mia",
        "created_account_user_name": "Mia M",
        "initiator": "boss",
    }
    text = render(ABOUT[AccountEvent.CREATED], messages["boss"])
    assert text.title == 'User account "mia" created'
    assert "**mia** (Mia M) was created by **boss**" in text.body


def test_suspending_and_activating_are_told_to_that_user_too() -> None:
    boss, mia = owner(), person("mia")
    for status, event in (
        (UserStatus.SUSPENDED, AccountEvent.SUSPENDED),
        (UserStatus.ACTIVE, AccountEvent.ACTIVATED),
    ):
        services.user_status_set(subject(boss), user=mia, status=status)
        services.user_status_set(subject(boss), user=mia, status=status)  # no change, no news
        assert set(told(ABOUT[event])) == {"boss"}
        assert set(told(TO_ONESELF[event])) == {"mia"}
        assert NotificationMessage.objects.filter(notification_template_id=ABOUT[event].id).count() == 2
        text = render(TO_ONESELF[event], told(TO_ONESELF[event])["mia"])
        assert text.title == f"Your account was {event}"


def test_a_deleted_account_is_told() -> None:
    boss, mia = owner(), person("mia")
    services.user_delete(subject(boss), user=mia)
    assert told(ABOUT[AccountEvent.DELETED])["boss"]["labels"]["deleted_account_name"] == "mia"
