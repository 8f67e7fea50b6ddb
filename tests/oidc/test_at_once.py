"""Several logins of one person at the same moment: one account, nothing half done."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from coder_admin.foundation.errors import Conflict
from coder_admin.organizations.idp.config import GroupSync, OrganizationSync
from coder_admin.organizations.models import Group, OrganizationMember, User, UserLink
from coder_admin.organizations.oidc.login import oidc_login
from coder_admin.organizations.services import idp_settings
from tests.people import organization, owner, subject

AT_ONCE = 4


@pytest.mark.django_db(transaction=True)
def test_logins_at_once_make_one_account_one_membership_and_one_group() -> None:
    boss, acme = owner(), organization("acme")
    mapping = {"a": (acme.id,)}
    idp_settings.organization_sync_set(subject(boss), lambda _: OrganizationSync("orgs", mapping, False))
    idp_settings.group_sync_set(subject(boss), acme, lambda _: GroupSync("groups", auto_create=True))
    barrier = threading.Barrier(AT_ONCE)
    claims = {"sub": "1", "email": "ada@example.com", "email_verified": True, "orgs": "a", "groups": "new"}

    def log_in() -> str:
        barrier.wait()
        try:
            return oidc_login(claims, issuer="https://idp.example").username
        except Conflict as error:  # lost the race for the name: told to log in again
            return error.message
        finally:
            connection.close()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = [future.result() for future in [pool.submit(log_in) for _ in range(AT_ONCE)]]
    assert "ada" in answers
    assert set(answers) <= {"ada", "Another login took the same name at this moment."}
    ada = User.objects.get(username="ada")
    assert UserLink.objects.get().user == ada
    assert OrganizationMember.objects.get(user=ada).organization == acme
    assert [g.name for g in Group.objects.filter(members__user=ada)] == ["new"]
    assert oidc_login(claims, issuer="https://idp.example") == ada
