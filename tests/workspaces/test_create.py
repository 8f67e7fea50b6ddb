"""Creating, claiming, renaming, canceling."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from coder_admin.audit.models import AuditLog
from coder_admin.catalog.models import Template
from coder_admin.foundation.errors import Conflict, Forbidden, Invalid, NotFound, PreconditionFailed
from coder_admin.provisioning.models import ProvisionerJob
from coder_admin.workspaces import claims, services
from coder_admin.workspaces.claims import ClaimRequest
from coder_admin.workspaces.models import Workspace
from coder_admin.workspaces.services import WorkspaceSettings
from tests.people import organization, person, subject

from .world import World, parameters_of, reread


@pytest.fixture
def pool() -> Iterator[list[ClaimRequest]]:
    """A claimer that hands out whatever prebuild of the preset there is."""
    asked: list[ClaimRequest] = []

    def claim(request: ClaimRequest) -> Workspace | None:
        asked.append(request)
        found = Workspace.objects.filter(
            name__startswith="prebuild-", latest_build__template_version_preset=request.preset_id
        ).first()
        if found is not None:
            found.owner_id, found.name, found.ttl_ms = request.owner_id, request.name, request.ttl_ms
            found.save()
        return found

    before = claims._claimers[:]
    claims._claimers[:] = [claim]
    yield asked
    claims._claimers[:] = before


def test_a_new_workspace_is_built_at_once(world: World) -> None:
    Template.objects.filter(pk=world.template.pk).update(default_ttl_ms=3_600_000)
    world.activate(world.version)
    workspace = world.create(parameters={"size": "2"})
    build = workspace.latest_build
    assert build is not None
    assert (build.build_number, build.transition, build.prebuild_stage) == (1, "start", "none")
    assert workspace.ttl_ms == 3_600_000
    row = AuditLog.objects.get(resource_type="workspace", action="create")
    assert (row.resource_target, row.username) == ("dev", "ada")
    assert not AuditLog.objects.filter(resource_type="workspace_build").exists()


def test_the_request_may_mean_a_preset(world: World) -> None:
    meant = world.create("a", parameters={"size": "8"}).latest_build
    assert meant is not None
    assert meant.template_version_preset.name == "big"  # type: ignore[union-attr]
    other = world.create("b", parameters={"size": "3"}).latest_build
    assert other is not None
    assert other.template_version_preset is None


def test_a_claim_takes_the_prebuild_over(world: World, pool: list[ClaimRequest]) -> None:
    prebuild = world.prebuild()
    preset = world.version.presets.get(name="big")
    workspace = world.create("mine", preset_id=preset.id, settings=WorkspaceSettings(ttl_ms=60_000))
    assert workspace.id == prebuild.id
    build = reread(workspace).latest_build
    assert build is not None
    assert (build.build_number, build.prebuild_stage, build.initiator_id) == (2, "claim", world.ada.id)
    assert bytes(build.provisioner_state or b"") == b'{"state": 1}'
    assert parameters_of(reread(workspace)) == {"region": "eu", "size": "8"}
    request = pool[0]
    assert (request.preset_id, request.name, request.ttl_ms) == (preset.id, "mine", 60_000)
    assert AuditLog.objects.filter(resource_type="workspace", resource_id=str(prebuild.id)).count() == 1


def test_an_empty_pool_is_an_ordinary_workspace(world: World, pool: list[ClaimRequest]) -> None:
    workspace = world.create("mine", parameters={"size": "8"})
    assert len(pool) == 1
    build = workspace.latest_build
    assert build is not None
    assert (build.build_number, build.prebuild_stage) == (1, "none")


def test_a_refused_claim_rolls_everything_back(world: World, pool: list[ClaimRequest]) -> None:
    prebuild = world.prebuild()
    preset = world.version.presets.get(name="big")
    with pytest.raises(Invalid, match="Unable to validate parameters"):
        world.create("mine", preset_id=preset.id, parameters={"region": "mars"})
    assert reread(prebuild).name == prebuild.name
    assert Workspace.objects.count() == 1


@pytest.mark.parametrize("name", ["", "a b", "-x", "x" * 33])
def test_bad_names(world: World, name: str) -> None:
    with pytest.raises(Invalid) as caught:
        world.create(name)
    assert caught.value.validations[0].field == "name"
    assert not Workspace.objects.exists()


def test_names_are_unique_per_owner_among_the_living(world: World) -> None:
    first = world.create("dev")
    with pytest.raises(Conflict, match='"Dev" already exists'):
        world.create("Dev")
    world.create("dev", user=world.boss)
    Workspace.objects.filter(pk=first.pk).update(deleted=True)
    world.create("dev")


def test_rights(world: World) -> None:
    outsider = person("eve", memberships={organization("elsewhere"): []})
    with pytest.raises(NotFound):
        world.create(user=outsider)
    with pytest.raises(Forbidden):
        world.create(user=person("bob"), actor=subject(world.ada))
    with pytest.raises(NotFound):  # an owner may, but that person is no member
        world.create(user=outsider, actor=subject(world.boss))
    assert world.create(user=world.ada, actor=subject(world.boss)).owner_id == world.ada.id


def test_deprecated_and_archived(world: World) -> None:
    Template.objects.filter(pk=world.template.pk).update(deprecation_message="Use web2.")
    world.activate(world.version)
    with pytest.raises(Invalid, match="deprecated") as caught:
        world.create()
    assert caught.value.detail == "Use web2."


def test_a_preset_of_another_version(world: World) -> None:
    old = world.version.presets.get(name="big")
    world.activate(world.new_version())
    with pytest.raises(Invalid, match="preset does not belong"):
        world.create(preset_id=old.id)


def test_rename(world: World) -> None:
    workspace = world.running()
    services.workspace_rename(actor=subject(world.ada), workspace=workspace, name="other")
    assert reread(workspace).name == "other"
    assert AuditLog.objects.get(resource_type="workspace", action="write").diff["name"]["old"] == "dev"
    world.create("taken")
    with pytest.raises(Conflict):
        services.workspace_rename(actor=subject(world.ada), workspace=workspace, name="taken")
    with pytest.raises(NotFound):
        services.workspace_rename(actor=subject(person("bob")), workspace=workspace, name="x")
    with pytest.raises(Conflict, match="prebuilt"):
        services.workspace_rename(actor=subject(world.boss), workspace=world.prebuild(), name="x")


def test_cancel(world: World) -> None:
    workspace = world.create()
    build = workspace.latest_build
    assert build is not None
    ada, boss = subject(world.ada), subject(world.boss)
    with pytest.raises(Forbidden, match="does not let people cancel"):
        services.build_cancel(actor=ada, build_=build)
    with pytest.raises(PreconditionFailed):
        services.build_cancel(actor=boss, build_=build, expect_status="running")
    with pytest.raises(Invalid):
        services.build_cancel(actor=boss, build_=build, expect_status="sleeping")
    with pytest.raises(NotFound):
        services.build_cancel(actor=subject(person("bob")), build_=build)
    services.build_cancel(actor=ada, build_=build, expect_status="pending")
    assert ProvisionerJob.objects.get(pk=build.job_id).job_status == "canceled"
    with pytest.raises(Invalid, match="canceled already"):
        services.build_cancel(actor=boss, build_=build)
    done = world.running("done").latest_build
    assert done is not None
    with pytest.raises(Invalid, match="ended already"):
        services.build_cancel(actor=boss, build_=done)
