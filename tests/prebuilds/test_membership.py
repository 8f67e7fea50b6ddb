"""The prebuilds user becomes a member wherever pools are kept, and nowhere else."""

from __future__ import annotations

import pytest

from coder_admin.organizations.models import (
    PREBUILDS_USER_ID,
    Group,
    GroupMember,
    Organization,
    OrganizationMember,
)
from prebuilds.membership import incomplete_organizations, reconcile_memberships
from tests.prebuilds import world

pytestmark = pytest.mark.django_db


def test_organizations_with_pools_get_member_group_and_group_member() -> None:
    other = Organization.objects.create(name="other")
    template = world.template()
    world.preset(template.active_version, 0)
    OrganizationMember.objects.filter(user=PREBUILDS_USER_ID).delete()
    assert incomplete_organizations() == [template.organization_id]
    assert reconcile_memberships() == []
    member = OrganizationMember.objects.get(user=PREBUILDS_USER_ID)
    assert (member.organization_id, member.roles) == (template.organization_id, [])
    group = Group.objects.get(name="coderprebuiltworkspaces")
    assert (group.organization_id, group.display_name, group.quota_allowance) == (
        template.organization_id, "Prebuilt Workspaces", 0
    )  # fmt: skip
    assert GroupMember.objects.filter(group=group, user=PREBUILDS_USER_ID).count() == 1
    assert group.auth_group.user_set.filter(id=PREBUILDS_USER_ID).exists()
    assert incomplete_organizations() == []
    assert not other.members.exists()


def test_an_administrators_allowance_stays() -> None:
    template = world.template()
    world.preset(template.active_version)
    reconcile_memberships()
    Group.objects.filter(name="coderprebuiltworkspaces").update(quota_allowance=50)
    GroupMember.objects.all().delete()
    assert reconcile_memberships() == []
    assert Group.objects.get(name="coderprebuiltworkspaces").quota_allowance == 50
    assert GroupMember.objects.filter(user=PREBUILDS_USER_ID).count() == 1


def test_the_group_as_django_knows_it_is_completed_too() -> None:
    """A process that was killed between the two left it out, and guardian asks Django's."""
    template = world.template()
    world.preset(template.active_version)
    reconcile_memberships()
    group = Group.objects.get(name="coderprebuiltworkspaces")
    group.auth_group.user_set.clear()
    assert incomplete_organizations() == [template.organization_id]
    assert reconcile_memberships() == []
    assert group.auth_group.user_set.filter(id=PREBUILDS_USER_ID).exists()


def test_presets_without_prebuilds_need_no_membership() -> None:
    template = world.template()
    world.preset(template.active_version, None)
    assert incomplete_organizations() == []
