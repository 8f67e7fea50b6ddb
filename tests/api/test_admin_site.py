"""Django's admin: every registered model asks the policy for its rows, and no flag opens anything."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client

from coder_admin.catalog.models import Template, TemplateVersion
from coder_admin.organizations.models import User
from coder_admin.provisioning.models import ProvisionerJob
from coder_admin.workspaces.models import Workspace, WorkspaceAgent, WorkspaceBuild, WorkspaceResource
from rbac.admin import PolicyAdmin
from tests.people import organization, owner, person

pytestmark = pytest.mark.django_db

OURS = list(admin.site._registry)


def page(who: User, model: Any, query: str = "") -> Any:
    http = Client(HTTP_HOST="localhost")
    http.force_login(who)
    return http.get(f"/admin/{model._meta.app_label}/{model._meta.model_name}/{query}")


@pytest.fixture
def boss() -> User:
    """A deployment with a template, a workspace, its build and agent in the organization `acme`."""
    boss = owner()
    acme, ada = organization("acme"), person("ada")
    template = Template.objects.create(organization=acme, name="docker", created_by=boss)
    jobs = [
        ProvisionerJob.objects.create(organization=acme, initiator=boss, type=type_)
        for type_ in ("template_version_import", "workspace_build")
    ]
    version = TemplateVersion.objects.create(
        template=template, organization=acme, name="v1", created_by=boss, job=jobs[0]
    )
    workspace = Workspace.objects.create(organization=acme, owner=ada, template=template, name="hidden-dev")
    build = WorkspaceBuild.objects.create(
        workspace=workspace, template_version=version, build_number=1, transition="start",
        initiator=ada, job=jobs[1],
    )  # fmt: skip
    resource = WorkspaceResource.objects.create(
        workspace_build=build, transition="start", address="a.b", type="a", name="b"
    )
    WorkspaceAgent.objects.create(resource=resource, name="main", auth_token=uuid.uuid4())
    return boss


def test_every_registered_model_filters_by_the_policy(boss: User) -> None:
    assert len(OURS) > 6
    for model in OURS:
        assert isinstance(admin.site._registry[model], PolicyAdmin), model
        assert page(boss, model).status_code == 200, model


@pytest.mark.parametrize("model", [Workspace, WorkspaceBuild, WorkspaceAgent, Template, ProvisionerJob])
def test_a_site_role_shows_only_the_rows_that_it_may_read(boss: User, model: Any) -> None:
    """`user-admin` opens the admin; of other people's workspaces and templates it may read nothing."""
    keeper = person("keeper", roles=["user-admin"])
    shown = page(keeper, model)
    assert shown.status_code in (200, 403)
    if shown.status_code == 200:
        assert shown.context["cl"].result_count == 0
        assert "hidden-dev" not in shown.content.decode()
    assert page(boss, model).context["cl"].result_count == model.objects.count()


def test_filters_of_a_list_name_no_organization_that_is_not_in_it(boss: User) -> None:
    organization("empty")
    other = organization("other")
    template = Template.objects.create(organization=other, name="t", created_by=boss)
    Workspace.objects.create(organization=other, owner=boss, template=template, name="w")
    shown = page(boss, Workspace).context["cl"].filter_specs
    [spec] = [spec for spec in shown if spec.title == "organization"]
    assert [name for _, name in spec.lookup_choices] == ["acme", "other"]


def test_a_row_by_its_address_is_as_hidden_as_in_the_list(boss: User) -> None:
    workspace = Workspace.objects.get()
    keeper = Client(HTTP_HOST="localhost")
    keeper.force_login(person("keeper", roles=["user-admin"]))
    url = f"/admin/workspaces/workspace/{workspace.pk}/change/"
    assert keeper.get(url, follow=True).redirect_chain  # "does not exist", back to the index
    assert "hidden-dev" not in keeper.get(url, follow=True).content.decode()


def test_no_flag_opens_the_admin(boss: User) -> None:
    ada = person("mia")
    ada.__dict__["is_staff"] = True
    assert page(ada, Workspace).status_code in (302, 404)
    lead = person("lead", memberships={organization("mine"): ["organization-admin"]})
    assert page(lead, Workspace).status_code in (302, 404)
