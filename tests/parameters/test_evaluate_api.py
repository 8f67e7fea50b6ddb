"""``POST …/dynamic-parameters/evaluate``, and how owners are loaded (reference 2.5, 1.5)."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from rest_framework.test import APIClient

from coder_admin.catalog.models import TemplateVersion
from coder_admin.files.cache import file_cache
from coder_admin.organizations.models import OrganizationMember, User
from coder_admin.parameters.owners import OwnerNotFoundError, load_owner
from rbac.subjects import SystemSubject, acting_as
from tests.catalog.factories import (
    actor_of,
    make_file,
    make_group,
    make_organization,
    make_template,
    make_user,
    make_version,
)

pytestmark = pytest.mark.django_db

FORM = """
variable "secret" {
  default   = "hush"
  sensitive = true
}

data "coder_workspace_owner" "me" {}

data "coder_parameter" "groups" {
  name    = "groups"
  default = join(",", data.coder_workspace_owner.me.groups)
}

data "coder_parameter" "password" {
  name        = "password"
  default     = var.secret
  description = "It is ${var.secret}"
  mutable     = true
}

data "coder_parameter" "derived" {
  name    = "derived"
  default = "${data.coder_parameter.password.value}!"
}
"""


@pytest.fixture
def version() -> TemplateVersion:
    organization = make_organization()
    admin = make_user(organization, org_roles=["organization-template-admin"])
    file = make_file(admin, {"main.tf": FORM})
    template = make_template(admin, organization, version=make_version(admin, organization, file=file))
    assert template.active_version is not None
    return TemplateVersion.objects.select_related("template", "created_by").get(pk=template.active_version.pk)


def evaluate(version: TemplateVersion, user: User | None, body: Any) -> Any:
    client = APIClient()
    if user is not None:
        client.force_login(User.objects.get(pk=user.pk))
    return client.post(
        f"/api/v2/templateversions/{version.id}/dynamic-parameters/evaluate", body, format="json"
    )


def test_answer_has_id_0_and_does_not_default_the_owner(version: TemplateVersion) -> None:
    user = version.created_by
    answer = evaluate(version, user, {"id": 7, "inputs": {}, "owner_id": str(user.id)})
    assert (answer.status_code, answer.json()["id"]) == (200, 0)
    assert [p["name"] for p in answer.json()["parameters"]] == ["derived", "groups", "password"]
    nobody = evaluate(version, user, {"id": 7})
    assert nobody.status_code == 200
    assert nobody.json()["diagnostics"][0]["extra"]["code"] == "owner_not_found"
    assert nobody.json()["parameters"] == []
    assert file_cache.references == 0


def test_refusals(version: TemplateVersion) -> None:
    assert evaluate(version, None, {}).status_code == 401
    assert evaluate(version, make_user(make_organization()), {}).status_code == 404
    assert evaluate(version, version.created_by, {"inputs": {"a": 1}}).status_code == 400
    assert evaluate(version, version.created_by, []).status_code == 400
    waiting = make_version(version.created_by, version.organization, done=False)
    assert evaluate(waiting, version.created_by, {}).status_code == 425
    client = APIClient()
    client.force_login(version.created_by)
    url = f"/api/v2/templateversions/{version.id}/dynamic-parameters/evaluate"
    assert client.post(url, b"{", content_type="application/json").status_code == 400


def test_the_sockets_address_without_an_upgrade(version: TemplateVersion) -> None:
    def ask(user: User | None, found: TemplateVersion = version, query: str = "") -> Any:
        client = APIClient()
        if user is not None:
            client.force_login(User.objects.get(pk=user.pk))
        return client.get(f"/api/v2/templateversions/{found.id}/dynamic-parameters{query}")

    admin = version.created_by
    answer = ask(admin)
    assert (answer.status_code, answer.json()["message"]) == (426, "Failed to accept WebSocket.")
    assert ask(None).status_code == 401
    assert ask(make_user(make_organization())).status_code == 404
    assert ask(admin, query="?user_id=nobody").json()["message"] == "Invalid user_id query parameter"
    assert ask(admin, make_version(admin, version.organization, done=False)).status_code == 425
    assert (file_cache.open_files, file_cache.references) == (0, 0)


def test_sensitive_values_are_never_sent(version: TemplateVersion) -> None:
    user = version.created_by
    answer = evaluate(version, user, {"owner_id": str(user.id)})
    assert "hush" not in answer.content.decode()
    by_name = {p["name"]: p for p in answer.json()["parameters"]}
    assert by_name["password"]["value"] == {"value": "", "valid": False}
    assert by_name["password"]["diagnostics"][0]["severity"] == "warning"
    assert by_name["derived"]["value"]["valid"] is False
    mine = evaluate(version, user, {"owner_id": str(user.id), "inputs": {"password": "mine"}}).json()
    by_name = {p["name"]: p for p in mine["parameters"]}
    assert by_name["derived"]["value"] == {"value": "mine!", "valid": True}


def test_owner_has_groups_and_roles_of_the_organization_only(version: TemplateVersion) -> None:
    here, there = version.organization, make_organization()
    user = make_user(here, roles=["template-admin"], org_roles=["organization-auditor"])
    OrganizationMember.objects.create(organization=there, user=user, roles=["organization-admin"])
    make_group(here, "zeta", user)
    make_group(here, "alpha", user)
    make_group(there, "foreign", user)
    owner = load_owner(viewer=actor_of(user), user_id=user.id, organization_id=here.id)
    assert owner.groups == ("Everyone", "alpha", "zeta")
    assert owner.rbac_roles == (
        ("member", ""),
        ("template-admin", ""),
        ("organization-member", str(here.id)),
        ("organization-auditor", str(here.id)),
    )


def test_who_may_load_an_owner(version: TemplateVersion) -> None:
    here = version.organization
    member, other, outsider = make_user(here), make_user(here), make_user(make_organization())

    def loads(viewer: User, user: User) -> bool:
        try:
            load_owner(viewer=actor_of(viewer), user_id=user.id, organization_id=here.id)
        except OwnerNotFoundError:
            return False
        return True

    admin = make_user(here, org_roles=["organization-template-admin"])
    assert loads(member, member)
    assert loads(admin, other)
    assert not loads(admin, outsider)
    assert not loads(member, outsider)
    assert loads(make_user(roles=["owner"]), outsider)


def test_prebuilds_user_and_unknown_users(version: TemplateVersion) -> None:
    prebuilds = User.objects.get(username="prebuilds")
    with acting_as(SystemSubject.PREBUILDS_ORCHESTRATOR, reason="a test builds a prebuild") as actor:
        owner = load_owner(viewer=actor, user_id=prebuilds.id, organization_id=version.organization_id)
        assert owner.name == "prebuilds"
        with pytest.raises(OwnerNotFoundError):
            load_owner(viewer=actor, user_id=uuid.uuid4(), organization_id=version.organization_id)
