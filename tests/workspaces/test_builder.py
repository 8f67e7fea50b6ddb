"""The builder's checks, in their order, with their answers (reference 4.2)."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from coder_admin.audit.context import RequestContext, request_context
from coder_admin.audit.models import AuditLog
from coder_admin.catalog.models import Template
from coder_admin.foundation.errors import Conflict, Forbidden, Invalid, NotAcceptable, NotFound
from coder_admin.provisioning import daemons
from coder_admin.provisioning.engines.embedded.state import dump, new_state
from coder_admin.provisioning.models import ProvisionerJob
from coder_admin.provisioning.tags import normalise
from coder_admin.workspaces import builder, services
from coder_admin.workspaces.models import Workspace, WorkspaceBuild
from rbac.model import Subject
from tests.catalog.factories import make_template
from tests.people import organization, person, subject

from .world import (
    MAIN_TF,
    World,
    fail,
    finish,
    latest_build,
    orchestrator,
    parameters_of,
    reread,
    settled,
    template_admin,
)


@contextmanager
def worker_seen() -> Iterator[None]:
    """A worker without tags that was seen just now."""
    registration = daemons.Registration("test", normalise({}), 1)
    worker_id = daemons.register(registration, now=timezone.now())
    yield
    daemons.gone(worker_id)


def build(actor: Subject, workspace: Workspace, transition: str, **more: Any) -> WorkspaceBuild:
    with transaction.atomic():
        return builder.build(actor=actor, workspace=workspace, transition=transition, **more)


def test_a_build_and_its_job_are_one(world: World) -> None:
    workspace = world.running()
    begun = build(subject(world.ada), workspace, "stop")
    assert (begun.build_number, begun.transition, begun.reason, begun.prebuild_stage) == (
        2,
        "stop",
        "initiator",
        "none",
    )
    assert begun.initiator_id == world.ada.id
    job = begun.job
    assert job.type == "workspace_build"
    assert job.input == {"workspace_build_id": str(begun.id)}
    assert job.file_id == world.version.job.file_id
    assert bytes(begun.provisioner_state or b"") == b'{"state": 1}', "the state is carried"
    assert reread(workspace).latest_build_id == begun.id


@pytest.mark.parametrize("succeeds", [True, False])
def test_a_build_is_audited_once_when_it_ends(world: World, succeeds: bool) -> None:
    workspace = world.running()
    with request_context(RequestContext(ip="10.0.0.7", user_agent="curl/8")):
        begun = build(subject(world.ada), workspace, "stop")
    ended = AuditLog.objects.filter(resource_type="workspace_build", action="stop")
    assert not ended.exists()
    (finish if succeeds else fail)(begun)
    row = ended.get()
    assert (row.user_id, row.request_id, row.status_code) == (
        world.ada.id,
        begun.job_id,
        200 if succeeds else 500,
    )
    assert (row.ip, row.user_agent, row.resource_id) == ("10.0.0.7", "curl/8", str(begun.id))
    assert row.additional_fields == {
        "workspace_name": "dev",
        "build_number": "2",
        "build_reason": "initiator",
        "workspace_owner": "ada",
        "workspace_id": str(workspace.id),
    }
    begin = AuditLog.objects.get(resource_type="workspace_build", action="start")
    assert begin.ip is None


def test_builds_of_the_pool_are_audited_as_the_prebuilds_users(world: World) -> None:
    world.prebuild()
    row = AuditLog.objects.get(resource_type="workspace_build")
    assert (row.username, row.additional_fields["workspace_owner"]) == ("prebuilds", "prebuilds")


def test_unknown_transition(world: World) -> None:
    with pytest.raises(Invalid, match="not a transition"):
        build(subject(world.ada), world.running(), "restart")


def test_who_may_read_but_not_act_is_forbidden_others_see_nothing(world: World) -> None:
    workspace = world.running()
    with pytest.raises(Forbidden, match="You do not have permission to stop this workspace"):
        build(template_admin(), workspace, "stop")
    for transition in ("start", "stop", "delete"):
        with pytest.raises(NotFound):
            build(subject(person(f"bob-{transition}")), workspace, transition)


def test_template_admins_delete_prebuilds_and_nothing_else_of_them(world: World) -> None:
    admin = template_admin()
    prebuild = world.prebuild()
    for transition in ("start", "stop"):
        with pytest.raises(Forbidden):
            build(admin, prebuild, transition)
    assert build(admin, prebuild, "delete").transition == "delete"
    claimed = world.prebuild()
    Workspace.objects.filter(pk=claimed.pk).update(owner=world.ada, name="mine")
    with pytest.raises(Forbidden):
        build(admin, reread(claimed), "delete")


def test_state_and_orphan_are_for_template_managers(world: World) -> None:
    workspace = world.running()
    ada, boss = subject(world.ada), subject(world.boss)
    for more in ({"orphan": True}, {"state": b"{}"}):
        with pytest.raises(Forbidden, match="Only template managers may provide custom state"):
            build(ada, workspace, "delete", **more)
    with pytest.raises(Invalid, match="only permitted when deleting"):
        build(boss, workspace, "stop", orphan=True)
    with pytest.raises(Invalid, match="together with orphan"):
        build(boss, workspace, "delete", orphan=True, state=b"{}")
    with worker_seen():
        begun = build(boss, workspace, "delete", orphan=True)
    assert begun.job.input["orphan"] is True
    assert begun.provisioner_state is None
    assert begun.job.job_status == "pending"


def test_an_orphan_delete_that_no_worker_could_take_ends_at_once(world: World) -> None:
    workspace = world.running()
    begun = build(subject(world.boss), workspace, "delete", orphan=True)
    assert ProvisionerJob.objects.get(pk=begun.job_id).job_status == "succeeded"
    assert reread(workspace).deleted


def test_an_orphan_delete_does_not_wait_for_workers_of_another_engine(world: World, settings: Any) -> None:
    settings.PROVISIONER_ENGINE = "terraform"
    with worker_seen():
        begun = build(subject(world.boss), world.running(), "delete", orphan=True)
    assert ProvisionerJob.objects.get(pk=begun.job_id).job_status == "succeeded"


@pytest.mark.parametrize(
    ("state", "engine"),
    [
        (dump(new_state()), "embedded"),
        (b'{"version": 4, "terraform_version": "1.15.0"}', "terraform"),
        (b"mine", "terraform"),
    ],
)
def test_a_job_is_for_the_engine_that_made_the_workspace(
    world: World, settings: Any, state: bytes, engine: str
) -> None:
    workspace = world.running()
    last = latest_build(workspace)
    last.provisioner_state = state
    last.save()
    settings.PROVISIONER_ENGINE = "terraform"
    assert build(subject(world.ada), reread(workspace), "stop").job.provisioner == engine


def test_given_state_replaces_the_carried_one(world: World) -> None:
    begun = build(subject(world.boss), world.running(), "stop", state=b"mine")
    assert bytes(begun.provisioner_state or b"") == b"mine"


def test_log_level_debug_must_be_allowed(world: World) -> None:
    for level in ("debug", "loud"):
        with pytest.raises(Invalid) as caught:
            build(subject(world.boss), world.running(f"w-{level}"), "stop", log_level=level)
        assert caught.value.validations[0].field == "log_level"


def test_a_version_of_another_template(world: World) -> None:
    other = make_template(world.boss, world.organization, "other")
    with pytest.raises(Invalid, match="belongs to another template"):
        build(subject(world.ada), world.running(), "start", version=other.active_version)


def test_a_version_that_is_still_imported_or_failed(world: World) -> None:
    workspace = world.running()
    waiting = world.new_version(done=False)
    with pytest.raises(NotAcceptable):
        build(subject(world.ada), workspace, "start", version=waiting)
    ProvisionerJob.objects.filter(pk=waiting.job_id).update(
        started_at=waiting.created_at, completed_at=waiting.created_at, error="main.tf line 3"
    )
    with pytest.raises(Invalid, match="its import failed") as caught:
        build(subject(world.ada), workspace, "start", version=waiting)
    assert caught.value.detail == "main.tf line 3"


def test_delete_looks_at_no_version(world: World) -> None:
    workspace = world.running()
    ProvisionerJob.objects.filter(pk=world.version.job_id).update(error="gone bad")
    waiting = world.new_version(done=False)
    begun = build(subject(world.ada), workspace, "delete", version=waiting, parameters={"region": "mars"})
    assert begun.template_version_id == world.version.id
    assert begun.template_version_preset_id is None
    assert parameters_of(reread(workspace)) == {"region": "eu", "size": "1"}


def test_the_active_version_may_be_required_for_starts(world: World) -> None:
    workspace = settled(world.create())
    world.activate(world.new_version())
    Template.objects.filter(pk=world.template.pk).update(require_active_version=True)
    workspace = reread(workspace)
    with pytest.raises(Forbidden, match="requires its active version"):
        build(subject(world.ada), workspace, "start")
    assert build(subject(world.ada), workspace, "stop").transition == "stop"
    finish(WorkspaceBuild.objects.get(workspace=workspace, build_number=2))
    started = services.workspace_update(actor=subject(world.ada), workspace=reread(workspace))
    assert started.template_version_id == world.version.id


def test_one_build_at_a_time(world: World) -> None:
    workspace = world.create()
    for transition in ("start", "stop", "delete"):
        with pytest.raises(Conflict, match="A workspace build is already active"):
            build(subject(world.ada), workspace, transition)
    fail(latest_build(workspace))
    assert build(subject(world.ada), reread(workspace), "start").build_number == 2


def test_parameters_are_judged_by_the_form(world: World) -> None:
    workspace = world.running(parameters={"size": "3"})
    assert parameters_of(workspace) == {"region": "eu", "size": "3"}
    ada = subject(world.ada)
    with pytest.raises(Invalid, match="Unable to validate parameters") as caught:
        build(ada, workspace, "start", parameters={"size": "99", "region": "us"})
    assert [v.field for v in caught.value.validations] == ["region", "size"]
    build(ada, workspace, "start", parameters={"size": "4", "region": "eu"})
    assert parameters_of(reread(workspace)) == {"region": "eu", "size": "4"}


def test_a_value_that_is_no_option_any_more_is_told_in_the_log(world: World) -> None:
    workspace = world.running(parameters={"size": "3"})
    offered = 'default = "1"\n  option {\n    name  = "One"\n    value = 1\n  }'
    rule = MAIN_TF[MAIN_TF.index("  validation {") : MAIN_TF.index("resource")]
    version = world.new_version(source=MAIN_TF.replace(rule, "}\n").replace('default = "1"', offered))
    begun = build(subject(world.boss), workspace, "start", version=version)
    assert parameters_of(reread(workspace))["size"] == "1"
    line = begun.job.logs.get()
    assert (line.level, line.source) == ("warn", "provisioner_daemon")
    assert '"size"' in line.output
    assert '"3" was replaced by the default' in line.output


def test_the_preset_that_the_final_values_amount_to_is_noted(world: World) -> None:
    workspace = world.running(parameters={"size": "3"})
    assert workspace.latest_build.template_version_preset is None  # type: ignore[union-attr]
    begun = build(subject(world.ada), workspace, "start", parameters={"size": "8"})
    settled(workspace)
    assert begun.template_version_preset_id == world.version.presets.get(name="big").id
    again = build(subject(world.ada), workspace, "stop")
    assert again.template_version_preset_id == begun.template_version_preset_id


def test_a_preset_beats_the_request(world: World) -> None:
    preset = world.version.presets.get(name="big")
    workspace = world.running()
    begun = build(subject(world.ada), workspace, "start", preset=preset, parameters={"size": "2"})
    assert begun.template_version_preset_id == preset.id
    assert parameters_of(reread(workspace))["size"] == "8"


def test_a_dormant_workspace_must_be_woken(world: World) -> None:
    workspace = world.running()
    Workspace.objects.filter(pk=workspace.pk).update(dormant_at=workspace.created_at)
    with pytest.raises(Conflict, match="dormant"):
        build(subject(world.ada), reread(workspace), "start")


def test_a_deleted_workspace_is_not_there(world: World) -> None:
    workspace = world.running()
    finish(build(subject(world.ada), workspace, "delete"))
    assert reread(workspace).deleted
    with pytest.raises(NotFound):
        build(subject(world.ada), workspace, "start")


def test_a_taken_number_is_tried_again_and_then_a_conflict(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = world.running()
    real, calls = builder._insert_rows, []

    def lose(request: Any, inputs: Any) -> WorkspaceBuild:
        calls.append(inputs.number)
        if len(calls) <= failures:
            raise IntegrityError("build_number_unique")
        return real(request, inputs)

    monkeypatch.setattr(builder, "_insert_rows", lose)
    failures = 2
    assert build(subject(world.ada), workspace, "stop").build_number == 2
    finish(latest_build(workspace))
    calls.clear()
    failures = 9
    with pytest.raises(Conflict, match="at the same moment"):
        build(subject(world.ada), reread(workspace), "start")
    assert len(calls) == builder.NUMBER_ATTEMPTS


def test_a_prebuilds_job_waits_behind_people(world: World) -> None:
    prebuild = world.prebuild(settle=False)
    latest = reread(prebuild).latest_build
    assert latest is not None
    assert latest.prebuild_stage == "create"
    assert latest.job.priority > latest_build(world.create()).job.priority
    assert parameters_of(reread(prebuild))["size"] == "8"


def test_rolled_back_builds_leave_nothing(world: World) -> None:
    workspace = world.running()

    class Oops(Exception):
        pass

    def begin() -> None:
        with transaction.atomic():
            builder.build(actor=subject(world.ada), workspace=workspace, transition="stop")
            raise Oops

    with pytest.raises(Oops):
        begin()
    assert latest_build(workspace).build_number == 1
    assert ProvisionerJob.objects.filter(type="workspace_build").count() == 1


def test_the_orchestrator_deletes_what_it_made(world: World) -> None:
    prebuild = world.prebuild()
    with orchestrator() as actor:
        begun = build(actor, prebuild, "delete", stage="create")
    made_with = prebuild.builds.get(build_number=1).template_version_preset_id
    assert made_with is not None
    assert (begun.prebuild_stage, begun.template_version_preset_id) == ("create", made_with)
    assert str(begun.initiator_id) == actor.id


def test_strangers_organization(world: World) -> None:
    elsewhere = organization("elsewhere")
    curator = subject(person("eve", memberships={elsewhere: ["organization-template-admin"]}))
    with pytest.raises(NotFound):
        build(curator, world.prebuild(), "delete")
    assert uuid.UUID(curator.id)
