"""Stored custom roles take part in the policy; what is not legal any more is left out."""

from __future__ import annotations

from typing import Any

import pytest

from coder_admin.organizations.models import CustomRole
from rbac import Action, RbacObject, ResourceType, allowed
from tests.people import client, organization, owner, person, subject

pytestmark = pytest.mark.django_db


def test_custom_role_can_be_given_and_grants_in_its_organization(django_assert_num_queries: Any) -> None:
    acme = organization("acme")
    CustomRole.objects.create(
        organization=acme,
        name="prebuild-cleaner",
        organization_permissions=[
            {"negate": False, "resource_type": "workspace", "action": "read"},
            {"negate": False, "resource_type": "prebuilt_workspace", "action": "delete"},
            {"negate": False, "resource_type": "prebuilt_workspace", "action": "start"},
            {"negate": False, "resource_type": "unicorn", "action": "read"},
        ],
    )
    ada = person("ada", memberships={acme: []})
    url = "/api/v2/organizations/acme/members/ada/roles"
    assert client(owner()).put(url, {"roles": ["prebuild-cleaner"]}, format="json").status_code == 200
    who = subject(ada)
    assert allowed(who, Action.DELETE, RbacObject(ResourceType.PREBUILT_WORKSPACE, org=str(acme.id)))
    assert allowed(who, Action.READ, RbacObject(ResourceType.WORKSPACE, org=str(acme.id)))
    assert not allowed(who, Action.DELETE, RbacObject(ResourceType.WORKSPACE, org=str(acme.id)))
    # The user's row, memberships, custom roles, groups: the same for any number of organizations.
    with django_assert_num_queries(4):
        subject(ada)
