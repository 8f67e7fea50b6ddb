"""The prebuilds orchestrator can do with the real services all that its membership pass needs."""

from __future__ import annotations

import pytest

from coder_admin.audit.models import AuditLog
from coder_admin.foundation.errors import Forbidden
from coder_admin.organizations import services
from coder_admin.organizations.models import PREBUILDS_GROUP_NAME, PREBUILDS_USER_ID, User
from rbac import SystemSubject, acting_as
from tests.people import organization, person

pytestmark = pytest.mark.django_db


def test_joins_an_organization_and_fills_its_own_group() -> None:
    acme = organization("acme")
    prebuilds = User.objects.get(id=PREBUILDS_USER_ID)
    with acting_as(SystemSubject.PREBUILDS_ORCHESTRATOR, reason="a test of the membership pass") as actor:
        services.member_add(actor, organization=acme, user=prebuilds)
        group = services.group_create(actor, organization=acme, name=PREBUILDS_GROUP_NAME)
        services.group_update(actor, group=group, add_users=[prebuilds])
    assert group.members.get().user == prebuilds
    row = AuditLog.objects.get(resource_type="organization_member", organization=acme)
    assert (row.user_id, row.username) == (PREBUILDS_USER_ID, "prebuilds-orchestrator")


def test_can_neither_remove_people_nor_touch_users_and_organizations() -> None:
    acme = organization("acme")
    ada = person("ada", memberships={acme: []})
    member = ada.memberships.get()
    with acting_as(SystemSubject.PREBUILDS_ORCHESTRATOR, reason="a test of its limits") as actor:
        with pytest.raises(Forbidden):
            services.member_remove(actor, member=member)
        with pytest.raises(Forbidden):
            services.user_delete(actor, user=ada)
        with pytest.raises(Forbidden):
            services.organization_delete(actor, organization=acme)
        with pytest.raises(Forbidden):
            services.organization_create(actor, name="other")
    assert acme.members.filter(user=ada).exists()
