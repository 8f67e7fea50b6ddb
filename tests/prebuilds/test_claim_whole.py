"""Creating a workspace as a person does: from the pool when it has one to give, cold when it has not."""

from __future__ import annotations

import pytest

from coder_admin.catalog.models import Template, TemplateVersion, TemplateVersionPreset
from coder_admin.foundation.errors import Invalid
from coder_admin.organizations.models import PREBUILDS_USER_ID, OrganizationMember
from coder_admin.workspaces.models import Workspace
from coder_admin.workspaces.services import workspace_create
from prebuilds.models import PrebuildEvent
from prebuilds.passes import reconcile_once
from rbac.django import subject_for
from tests.prebuilds import world
from tests.prebuilds.world import Prebuild

pytestmark = pytest.mark.django_db


def create(
    template: Template,
    preset: TemplateVersionPreset,
    name: str,
    *,
    version: TemplateVersion | None = None,
    **values: str,
) -> Workspace:
    user = world.person("owner", ["owner"])
    OrganizationMember.objects.get_or_create(organization=world.organization(), user=user)
    return workspace_create(
        actor=subject_for(user),
        owner=user,
        organization=world.organization(),
        template=template,
        version=version,
        name=name,
        preset_id=preset.id,
        parameters=values,
    )


def test_the_second_claimer_of_a_pool_of_one_builds_cold_and_the_pool_refills() -> None:
    template = world.template()
    preset = world.preset(template.active_version, 1)
    prebuild = Prebuild(preset, template.active_version).save()

    claimed = create(template, preset, "first")
    cold = create(template, preset, "second")

    assert claimed.pk == prebuild.pk
    assert cold.pk != prebuild.pk
    builds = [row.latest_build for row in (claimed, cold)]
    shape = [
        (build.build_number, build.prebuild_stage, build.template_version_preset_id, str(build.reason))
        for build in builds
        if build is not None
    ]
    assert shape == [(2, "claim", preset.id, "initiator"), (1, "none", preset.id, "initiator")]
    owner = world.person("owner")
    assert {build.initiator_id for build in builds if build is not None} == {owner.id}
    kinds = PrebuildEvent.objects.order_by("created_at").values_list("kind", "workspace")
    assert list(kinds) == [("claim", prebuild.pk), ("miss", cold.pk)]
    stats = reconcile_once()
    assert (stats.created, stats.errors) == (1, [])
    assert Workspace.objects.filter(owner=PREBUILDS_USER_ID).count() == 1


def test_a_pool_that_cannot_build_the_claim_loses_nothing() -> None:
    """The claim and its build are one transaction: a refusal leaves the pool as it was, and no event."""
    template = world.template()
    active = template.active_version
    assert active is not None
    active.parameters.create(
        name="size", type="number", mutable=True, default_value="1", validation_min=1, validation_max=9
    )
    preset = world.preset(active, 1)
    prebuild = Prebuild(preset, active).save()
    with pytest.raises(Invalid, match="size"):
        create(template, preset, "mine", size="10")
    prebuild.refresh_from_db()
    assert (prebuild.owner_id, prebuild.builds.count()) == (PREBUILDS_USER_ID, 1)
    assert not PrebuildEvent.objects.exists()


def test_a_claim_without_a_required_value_is_refused_as_a_whole() -> None:
    """Stored parameters of a version without metadata render an empty text there, which is no value."""
    template = world.template()
    active = template.active_version
    assert active is not None
    active.parameters.create(name="team", type="string", mutable=True, required=True)
    preset = world.preset(active, 1)
    prebuild = Prebuild(preset, active).save()
    with pytest.raises(Invalid) as refused:
        create(template, preset, "mine")
    assert [(wrong.field, wrong.detail) for wrong in refused.value.validations] == [
        ("team", "Required parameter not provided; parameter value is null")
    ]
    prebuild.refresh_from_db()
    assert (prebuild.owner_id, prebuild.builds.count()) == (PREBUILDS_USER_ID, 1)
    assert create(template, preset, "mine", team="core").pk == prebuild.pk
