"""The prebuilds user's memberships in organizations that keep pools (reference section 3.8).

Nothing is ever removed, and what an administrator changed later stays. Creation of a row that somebody
else made meanwhile is no error.
"""

from __future__ import annotations

from uuid import UUID

import structlog
from django.contrib.auth.models import Group as AuthGroup
from django.db import DatabaseError, transaction
from django.db.models import Exists, OuterRef

from coder_admin.catalog.models import TemplateVersionPreset
from coder_admin.organizations.models import (
    PREBUILDS_GROUP_NAME,
    PREBUILDS_USER_ID,
    Group,
    GroupMember,
    Organization,
    OrganizationMember,
    User,
)

log = structlog.get_logger("coderd.prebuilds")

GROUP_DISPLAY_NAME = "Prebuilt Workspaces"


def incomplete_organizations() -> list[UUID]:
    """Organizations with any preset that has prebuilds, where a membership is missing: one statement."""
    pools = TemplateVersionPreset.objects.filter(
        desired_instances__isnull=False, template_version__organization=OuterRef("pk")
    )
    member = OrganizationMember.objects.filter(organization=OuterRef("pk"), user=PREBUILDS_USER_ID)
    in_group = GroupMember.objects.filter(
        group__organization=OuterRef("pk"), group__name=PREBUILDS_GROUP_NAME, user=PREBUILDS_USER_ID
    )
    # guardian asks Django's own groups.
    in_auth_group = User.groups.through.objects.filter(
        group__organization_group__organization=OuterRef("pk"),
        group__organization_group__name=PREBUILDS_GROUP_NAME,
        user=PREBUILDS_USER_ID,
    )
    return list(
        Organization.objects.filter(Exists(pools))
        .exclude(Exists(member), Exists(in_group), Exists(in_auth_group))
        .values_list("id", flat=True)
    )


def reconcile_memberships() -> list[str]:
    """Complete the memberships; returns a sentence for each organization where that failed."""
    errors: list[str] = []
    for organization_id in incomplete_organizations():
        try:
            _complete(organization_id)
        except DatabaseError as error:
            log.warning("membership not completed", organization_id=str(organization_id), error=str(error))
            errors.append(f"organization {organization_id}: {error}")
    return errors


def _complete(organization_id: UUID) -> None:
    """Each step is a write of its own: get_or_create takes a row that another process made meanwhile."""
    OrganizationMember.objects.get_or_create(organization_id=organization_id, user_id=PREBUILDS_USER_ID)
    group = _group(organization_id)
    GroupMember.objects.get_or_create(group=group, user_id=PREBUILDS_USER_ID)
    group.auth_group.user_set.add(User.objects.get(id=PREBUILDS_USER_ID))
    log.info("membership completed", organization_id=str(organization_id))


def _group(organization_id: UUID) -> Group:
    existing = Group.objects.filter(organization_id=organization_id, name=PREBUILDS_GROUP_NAME).first()
    if existing is not None:
        return existing
    with transaction.atomic():
        auth_group, _ = AuthGroup.objects.get_or_create(name=f"{organization_id}/{PREBUILDS_GROUP_NAME}")
        group, created = Group.objects.get_or_create(
            organization_id=organization_id,
            name=PREBUILDS_GROUP_NAME,
            defaults={"auth_group": auth_group, "display_name": GROUP_DISPLAY_NAME, "quota_allowance": 0},
        )
        if created:
            log.info("group created", organization_id=str(organization_id), group=PREBUILDS_GROUP_NAME)
        return group
