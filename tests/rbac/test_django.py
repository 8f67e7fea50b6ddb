"""`require`, the authentication backend and Django's permission questions."""

from __future__ import annotations

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import AnonymousUser

from coder_admin.catalog.models import TEMPLATE_ACL, Template
from coder_admin.foundation.errors import Forbidden, NotFound
from coder_admin.organizations.models import PREBUILDS_USER_ID, User
from coder_admin.workspaces.models import Workspace
from rbac import ANONYMOUS, Action, RbacObject, ResourceType
from rbac.backends import resolve_permission
from rbac.django import require, subject_for
from tests.people import PASSWORD, default_organization, owner, person, subject

pytestmark = pytest.mark.django_db


@pytest.fixture
def template() -> Template:
    return Template.objects.create(organization=default_organization(), name="t", created_by=owner("maker"))


def test_what_cannot_be_read_does_not_exist_and_the_rest_is_forbidden(template: Template) -> None:
    ada = subject(person("ada"))
    with pytest.raises(NotFound):
        require(ada, Action.UPDATE, template)
    TEMPLATE_ACL.set_group(template, default_organization().id, "use_template")
    require(ada, Action.USE, template)
    with pytest.raises(Forbidden, match="may not update this template"):
        require(ada, Action.UPDATE, template)


def test_new_objects_hide_nothing() -> None:
    ada = subject(person("ada"))
    with pytest.raises(Forbidden):
        require(ada, Action.CREATE, RbacObject(ResourceType.GROUP, org=str(default_organization().id)))


def test_prebuild_is_asked_as_workspace_then_as_prebuild(template: Template) -> None:
    workspace = Workspace.objects.create(
        organization=default_organization(), owner_id=PREBUILDS_USER_ID, template=template, name="w"
    )
    admin = subject(person("tadmin", roles=["template-admin"]))
    require(admin, Action.DELETE, workspace)
    with pytest.raises(Forbidden):
        require(admin, Action.START, workspace)
    workspace.owner = User.objects.get(username="tadmin")
    require(admin, Action.START, workspace)
    workspace.owner = person("dev")
    with pytest.raises(Forbidden):
        require(admin, Action.DELETE, workspace)


def test_nobody_suspended_and_system_rows_are_subjects_without_rights() -> None:
    assert subject_for(AnonymousUser()) is ANONYMOUS
    ada = person("ada", roles=["owner"])
    ada.status = "suspended"
    assert subject_for(ada) is ANONYMOUS
    assert subject_for(User.objects.get(id=PREBUILDS_USER_ID)) is ANONYMOUS


def test_backend_logs_in_people_only() -> None:
    ada = person("ada")
    assert authenticate(None, username="ada", password=PASSWORD) == ada
    assert authenticate(None, username="ada@example.com", password=PASSWORD) == ada
    assert authenticate(None, username="ada", password="wrong") is None
    assert authenticate(None, username="prebuilds", password="none") is None
    assert authenticate(None, username="", password="") is None


def test_has_perm_asks_the_policy_globally_then_on_the_object(template: Template) -> None:
    ada, boss = person("ada"), owner()
    org_admin = person("oadmin", memberships={default_organization(): ["organization-admin"]})
    assert boss.has_perm("catalog.change_template")
    assert boss.has_perm("catalog.change_template", template)
    assert org_admin.has_perm("catalog.change_template")
    assert not ada.has_perm("catalog.change_template")
    assert not ada.has_perm("catalog.view_template", template)
    assert ada.has_perm("workspaces.view_workspace")  # some workspace may be theirs
    assert not ada.has_perm("sessions.view_session")
    assert not boss.has_perm("catalog.no_such_thing")


def test_a_flag_opens_nothing() -> None:
    ada = person("ada")
    assert not ada.is_staff
    assert not ada.is_superuser
    with pytest.raises(AttributeError):
        ada.is_superuser = True  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("catalog.view_template", (ResourceType.TEMPLATE, Action.READ)),
        ("catalog.use_template", (ResourceType.TEMPLATE, Action.USE)),
        ("workspaces.application_connect_workspace", (ResourceType.WORKSPACE, Action.APPLICATION_CONNECT)),
        ("audit.change_auditlog", None),
        ("nonsense", None),
        ("catalog.fly_template", None),
    ],
)
def test_permission_names(text: str, expected: tuple[ResourceType, Action] | None) -> None:
    assert resolve_permission(text) == expected
