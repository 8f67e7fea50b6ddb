"""How requests find users and members (section 3.4), each way as each kind of viewer."""

from __future__ import annotations

import uuid

import pytest

from coder_admin.foundation.errors import Invalid, NotFound
from coder_admin.organizations.models import PREBUILDS_USER_ID, OrganizationMember
from coder_admin.organizations.resolution import (
    resolve_member,
    resolve_members,
    resolve_organization,
    resolve_user,
)
from coder_admin.organizations.services import organization_delete
from rbac.django import forget_subject
from tests.people import default_organization, organization, owner, person, subject

pytestmark = pytest.mark.django_db


def test_empty_texts_are_invalid() -> None:
    boss = owner()
    with pytest.raises(Invalid):
        resolve_organization(subject(boss), "")
    with pytest.raises(Invalid):
        resolve_user(subject(boss), "", me=boss)


def test_deleted_organization_is_found_by_id_but_not_by_name() -> None:
    boss, acme = owner(), organization("acme")
    organization_delete(subject(boss), organization=acme)
    assert resolve_organization(subject(boss), str(acme.id)).deleted
    with pytest.raises(NotFound):
        resolve_organization(subject(boss), "acme")


def test_me_without_a_session_is_invalid_and_gone_is_not_found() -> None:
    ada = person("ada")
    with pytest.raises(Invalid):
        resolve_user(subject(ada), "me", me=None)
    assert resolve_user(subject(ada), "me", me=ada) == ada
    ada.deleted = True
    with pytest.raises(NotFound):
        resolve_user(subject(ada), "me", me=ada)


@pytest.mark.parametrize("text", ["me", "ada", "ADA", "id"])
def test_member_is_read_as_the_caller(text: str) -> None:
    acme = organization("acme")
    ada = person("ada", memberships={acme: []})
    text = str(ada.id) if text == "id" else text
    assert resolve_member(subject(ada), acme, text, me=ada).user == ada
    with pytest.raises(NotFound):
        resolve_member(subject(ada), default_organization(), text, me=ada)


def test_member_without_the_right_and_garbage_are_not_found() -> None:
    acme = organization("acme")
    ada, bob = person("ada", memberships={acme: []}), person("bob", memberships={acme: []})
    for text in ("ada", "nobody", str(uuid.uuid4())):
        with pytest.raises(NotFound):
            resolve_member(subject(bob), acme, text, me=bob)
    assert ada.memberships.count() == 1


def test_system_member_is_found_by_who_may_read_members() -> None:
    found = resolve_member(subject(owner()), default_organization(), "prebuilds", me=None)
    assert found.user_id == PREBUILDS_USER_ID


def test_members_of_a_user_in_no_organization_are_seen_by_site_admins_only() -> None:
    lone, boss, bob = person("lone", memberships={}), owner(), person("bob")
    seen = resolve_members(subject(boss), "lone", me=boss)
    assert (seen.user, seen.memberships, seen.user_id) == (lone, (), lone.id)
    with pytest.raises(NotFound):
        resolve_members(subject(bob), "lone", me=bob)
    own = resolve_members(subject(lone), "me", me=lone)
    assert own.user == lone


def test_site_admin_without_any_organization_finds_members() -> None:
    person("ada")
    admin = person("admin", roles=["template-admin"], memberships={})
    assert len(resolve_members(subject(admin), "ada", me=admin).memberships) == 1


def test_org_reader_sees_only_memberships_there_and_not_the_user() -> None:
    acme, other = organization("acme"), organization("other")
    ada = person("ada", memberships={acme: [], other: []})
    reader = person("reader", memberships={acme: ["organization-template-admin"]})
    seen = resolve_members(subject(reader), "ada", me=reader)
    assert seen.user is None
    assert [m.organization for m in seen.memberships] == [acme]
    assert seen.user_id == ada.id


def test_subject_is_remembered_until_forgotten() -> None:
    from rbac.django import subject_for

    acme = organization("acme")
    ada = person("ada", memberships={acme: []})
    before = subject_for(ada)
    OrganizationMember.objects.filter(user=ada).update(roles=["organization-admin", "gone-role"])
    assert subject_for(ada) is before
    forget_subject(ada)
    assert subject_for(ada).has_role("organization-admin", str(acme.id))
    assert not subject_for(ada).has_role("gone-role", str(acme.id))
