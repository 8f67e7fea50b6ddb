"""Builds of stored versions: values, tags, both flows, and the caches behind them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from coder_admin.catalog.models import TemplateVersion
from coder_admin.files.cache import file_cache
from coder_admin.foundation.errors import Invalid, ServiceError, TooEarly
from coder_admin.organizations.models import GroupMember, User
from coder_admin.parameters import renderer as renderers
from coder_admin.parameters.importing import import_folder
from coder_admin.parameters.owners import load_owner
from coder_admin.parameters.renderer import RecentlyUsed, is_dynamic, prepare
from coder_admin.parameters.resolver import Resolution
from coder_admin.parameters.resolving import matching_preset, resolve
from tests.catalog.factories import actor_of, make_group, make_organization, make_user, make_version

pytestmark = pytest.mark.django_db

FORM = """
data "coder_workspace_owner" "me" {}

data "coder_parameter" "size" {
  name    = "size"
  default = contains(data.coder_workspace_owner.me.groups, "big") ? "large" : "small"
  option {
    name  = "Small"
    value = "small"
  }
  option {
    name  = "Large"
    value = "large"
  }
}

data "coder_workspace_tags" "t" {
  tags = {
    size = data.coder_parameter.size.value
  }
}
"""


@pytest.fixture
def version(tmp_path: Any) -> TemplateVersion:
    organization = make_organization()
    admin = make_user(organization, org_roles=["organization-template-admin"])
    (tmp_path / "main.tf").write_text(FORM)
    imported = import_folder(actor=actor_of(admin), organization=organization, folder=tmp_path, name="t")
    return reread(imported.version)


def reread(version: TemplateVersion) -> TemplateVersion:
    return TemplateVersion.objects.select_related("job", "template", "created_by", "organization").get(
        pk=version.pk
    )


def build(
    version: TemplateVersion, owner: User, *, transition: str = "start", **sources: Mapping[str, str]
) -> Resolution:
    return resolve(
        version=version,
        owner_id=owner.id,
        first_build="previous" not in sources,
        transition=transition,
        previous=sources.get("previous", {}),
        request=sources.get("request", {}),
        preset=sources.get("preset", {}),
    )


def forget_templates() -> None:
    renderers._templates.clear()
    renderers._renders.clear()


def test_owner_decides_and_tags_follow_the_values(version: TemplateVersion) -> None:
    owner = make_user(version.organization)
    assert build(version, owner).values == {"size": "small"}
    assert build(version, owner).tags == {"scope": "organization", "size": "small"}
    assert build(version, owner, request={"size": "large"}).tags["size"] == "large"
    make_group(version.organization, "big", owner)
    assert build(version, owner).values == {"size": "large"}
    GroupMember.objects.filter(user=owner).delete()
    assert build(version, owner).values == {"size": "small"}


def test_start_is_refused_and_stop_and_delete_are_not(version: TemplateVersion) -> None:
    owner = make_user(version.organization)
    with pytest.raises(Invalid) as refused:
        build(version, owner, previous={"size": "small"}, request={"size": "large"})
    assert [v.field for v in refused.value.validations] == ["size"]
    for transition in ("stop", "delete"):
        kept = build(version, owner, transition=transition, previous={"size": "gone", "old": "x"})
        assert kept.values == {"size": "gone", "old": "x"}


def test_stop_survives_an_owner_or_files_that_are_gone(
    version: TemplateVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = make_user(version.organization)
    User.objects.filter(pk=owner.pk).update(deleted=True)
    with pytest.raises(Invalid):
        build(version, owner)
    kept = build(version, owner, transition="delete", previous={"size": "large"})
    assert (kept.values, kept.tags["size"]) == ({"size": "large"}, "small")
    User.objects.filter(pk=owner.pk).update(deleted=False)
    build(version, owner)
    monkeypatch.setattr(file_cache, "_fetch", lambda file_id: (_ for _ in ()).throw(ConnectionError("away")))
    assert build(version, owner).values == {"size": "small"}  # the compiled template is still at hand
    forget_templates()
    with pytest.raises(ServiceError):
        build(version, owner)
    assert build(version, owner, transition="stop", previous={"size": "large"}).values == {"size": "large"}
    assert (file_cache.open_files, file_cache.references) == (0, 0)


def test_classic_flow_uses_the_list_of_the_import(version: TemplateVersion) -> None:
    owner = make_user(version.organization)
    make_group(version.organization, "big", owner)
    template = version.template
    assert template is not None
    template.use_classic_parameter_flow = True
    template.save()
    version = reread(version)
    assert build(version, owner).values == {"size": "small"}
    with pytest.raises(Invalid) as refused:
        build(version, owner, request={"size": "huge"})
    assert refused.value.message == 'Unable to validate parameter "size"'
    assert build(version, owner, transition="stop", previous={"size": "huge"}).values == {"size": "huge"}
    assert build(version, owner, request={"size": "large"}).tags["size"] == "large"


def test_a_tag_that_the_values_leave_out_is_not_that_of_the_import(tmp_path: Any) -> None:
    organization = make_organization()
    admin = make_user(organization, org_roles=["organization-template-admin"])
    choice = 'data.coder_parameter.size.value == "small" ? "yes" : null'
    (tmp_path / "main.tf").write_text(
        FORM.replace("size = data.coder_parameter.size.value", f"spot = {choice}")
    )
    imported = import_folder(actor=actor_of(admin), organization=organization, folder=tmp_path, name="t")
    found = reread(imported.version)
    assert build(found, admin).tags["spot"] == "yes"
    assert "spot" not in build(found, admin, request={"size": "large"}).tags


def test_builds_carry_the_tags_of_the_imports_job(version: TemplateVersion) -> None:
    owner = make_user(version.organization)
    version.job.tags = {"scope": "organization", "owner": "", "region": "eu", "size": "none"}
    assert build(version, owner).tags == {"scope": "organization", "region": "eu", "size": "small"}


def preset(version: TemplateVersion, name: str, *, default: bool = False, **values: str) -> Any:
    made = version.presets.create(name=name, is_default=default)
    for key, value in values.items():
        made.parameters.create(name=key, value=value)
    return made


def test_the_preset_of_the_final_values(version: TemplateVersion) -> None:
    any_values = preset(version, "anything")
    assert matching_preset(version, {"size": "small"}) == any_values
    later = preset(version, "z small", size="small")
    preset(version, "both", size="small", other="x")
    assert matching_preset(version, {"size": "small"}) == later
    first = preset(version, "a small", size="small")
    assert matching_preset(version, {"size": "small"}) == first
    default = preset(version, "m small", default=True, size="small")
    assert matching_preset(version, {"size": "small"}) == default
    assert matching_preset(version, {"size": "small"}, before=later.pk) == later
    assert matching_preset(version, {"size": "large"}, before=later.pk) == any_values
    any_values.delete()
    assert matching_preset(version, {"size": "large"}) is None


def test_unfinished_import_is_too_early(version: TemplateVersion) -> None:
    waiting = make_version(version.created_by, version.organization, done=False)
    with pytest.raises(TooEarly):
        prepare(waiting)


def test_warm_build_costs_a_constant_number_of_queries(version: TemplateVersion) -> None:
    owner = make_user(version.organization)
    build(version, owner)
    with CaptureQueriesContext(connection) as captured:
        build(version, owner, previous={"size": "small"})
    assert len(captured) <= 6


def test_render_is_remembered_by_owner_and_inputs(version: TemplateVersion) -> None:
    user = make_user(version.organization)
    owner = load_owner(viewer=actor_of(user), user_id=user.id, organization_id=version.organization_id)
    with prepare(version) as first, prepare(version) as second:
        assert first.render(owner, {"size": "large"}) is second.render(owner, {"size": "large"})
        assert first.render(owner, {}) is not first.render(owner, {"size": "large"})
        assert file_cache.open_files == 1
    assert file_cache.open_files == 0


@pytest.mark.parametrize(
    ("text", "dynamic"),
    [
        ("1.6", True),
        ("1.10", True),
        ("2.0", True),
        ("1.5", False),
        ("", False),
        ("1", False),
        ("v1.6", False),
        ("1.6\n", False),
    ],
)
def test_dynamic_since_1_6(text: str, dynamic: bool) -> None:
    assert is_dynamic(text) is dynamic


def test_recently_used_is_bounded_by_number_and_time() -> None:
    now = [0.0]
    kept: RecentlyUsed[str, int] = RecentlyUsed(entries=2, seconds=10, clock=lambda: now[0])
    kept.put("a", 1)
    kept.put("b", 2)
    assert kept.get("a") == 1
    kept.put("c", 3)
    assert (kept.get("a"), kept.get("b"), kept.get("c")) == (1, None, 3)
    now[0] = 10.5
    assert kept.get("a") is None
