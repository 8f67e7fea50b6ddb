"""The pages of access: sharing, permissions, quota, the explanation, and the audit trail; as forms work
without scripts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from coder_admin.audit.models import AuditLog
from coder_admin.audit.services import record
from coder_admin.catalog.models import TEMPLATE_ACL
from coder_admin.organizations.models import Group, OrganizationMember, User
from coder_admin.workspaces.models import WORKSPACE_ACL, WorkspaceBuild
from rbac.django import subject_for

from .world import World, person

ClientOf = Callable[[User], Client]
TEMPLATE = ("coder", "go-service")
WORKSPACE = ("mia", "dev-1")


def body(client: Client, name: str, *args: object, query: str = "") -> str:
    response = client.get(reverse(f"dashboard:{name}", args=args) + query)
    assert response.status_code == 200
    return response.content.decode()


def test_owner_of_a_workspace_shares_it_changes_and_ends_it(here: World, client_of: ClientOf) -> None:
    ben, mia = person("ben"), client_of(here.member)
    url = reverse("dashboard:workspace-share", args=WORKSPACE)
    assert "Only its owner and administrators reach it" in body(mia, "workspace-sharing", *WORKSPACE)
    mia.post(url, {"kind": "user", "name": "ben", "role": "use"})
    assert "Ben" in body(mia, "workspace-sharing", *WORKSPACE)
    assert client_of(ben).get(reverse("dashboard:workspace", args=WORKSPACE)).status_code == 200
    assert client_of(ben).get(reverse("dashboard:workspace-sharing", args=WORKSPACE)).status_code == 403
    assert "Sharing" not in body(client_of(ben), "workspace", *WORKSPACE)
    mia.post(url, {"kind": "user", "id": str(ben.pk), "shown": "Ben", "role": "admin"})
    here.workspace.refresh_from_db()
    assert "create" in WORKSPACE_ACL.of(here.workspace).users[str(ben.pk)]
    told = mia.post(url, {"kind": "user", "id": str(ben.pk), "shown": "Ben", "remove": "1"}, follow=True)
    assert "Ben was removed." in told.content.decode()
    assert client_of(ben).get(reverse("dashboard:workspace", args=WORKSPACE)).status_code == 404


@pytest.mark.parametrize(
    ("kind", "name", "text"),
    [
        ("user", "nobody", "is no member of coder"),
        ("group", "nothing", "is no group of coder"),
        ("user", "", ""),
    ],
)
def test_a_name_that_nobody_has_is_told(
    here: World, client_of: ClientOf, kind: str, name: str, text: str
) -> None:
    url = reverse("dashboard:workspace-share", args=WORKSPACE)
    back = reverse("dashboard:workspace-sharing", args=WORKSPACE)
    answer = client_of(here.member).post(
        url, {"kind": kind, "name": name, "role": "use", "next": back}, follow=True
    )
    assert answer.status_code == 200
    assert text in answer.content.decode()
    assert not WORKSPACE_ACL.user_table._default_manager.exists()


def test_template_permissions_open_and_close_it(here: World, client_of: ClientOf) -> None:
    olive, mia = client_of(here.owner), client_of(here.member)
    grant = reverse("dashboard:template-grant", args=TEMPLATE)
    everyone = str(here.template.organization_id)
    assert "Every member of the organization may use it." in body(olive, "template-permissions", *TEMPLATE)
    assert "Permissions" not in body(mia, "template", *TEMPLATE)
    olive.post(grant, {"kind": "group", "id": everyone, "remove": "1"})
    assert mia.get(reverse("dashboard:template", args=TEMPLATE)).status_code == 404
    assert "Nobody is listed" in body(olive, "template-permissions", *TEMPLATE)
    olive.post(grant, {"kind": "user", "name": "MIA", "role": "admin"})
    here.template.refresh_from_db()
    TEMPLATE_ACL.forget(here.template)
    assert TEMPLATE_ACL.of(here.template).users == {str(here.member.pk): frozenset({"*"})}
    assert "Permissions" in body(mia, "template", *TEMPLATE)
    assert mia.post(grant, {"kind": "user", "name": "mia", "role": "boss"}).status_code == 302
    assert client_of(here.stranger).post(grant, {"name": "sam", "role": "use"}).status_code == 404


def test_quota_page_shows_used_and_allowed_and_sets_the_allowance(here: World, client_of: ClientOf) -> None:
    WorkspaceBuild.objects.filter(workspace=here.workspace).update(daily_cost=9)
    olive, mia = client_of(here.owner), client_of(here.member)
    assert "Nothing is limited" in body(olive, "quota")
    everyone = Group.objects.get(pk=here.template.organization_id)
    url = reverse("dashboard:group-quota", args=(everyone.pk,))
    assert mia.post(url, {"quota_allowance": "10"}).status_code in (403, 404)
    for wrong in ("", "-1", "1.5", "²"):
        olive.post(url, {"quota_allowance": wrong})
    everyone.refresh_from_db()
    assert everyone.quota_allowance == 0
    olive.post(url, {"quota_allowance": "10"})
    shown = body(olive, "quota")
    assert "90 percent used" in shown
    assert "Nearly used" in shown
    assert "pools of prebuilt workspaces" in shown
    assert "90 percent used" in body(mia, "quota")  # her own
    assert "Olive" not in body(mia, "quota")
    assert "You use 9 of 10 credits a day" in body(mia, "workspace-new", *TEMPLATE)
    assert "9 credits a day" in body(mia, "workspace", *WORKSPACE)


def test_explanation_answers_and_names_what_would_help(here: World, client_of: ClientOf) -> None:
    olive = client_of(here.owner)
    asked = "?user=mia&action=delete&object=template:coder/go-service"
    told = body(olive, "access", query=asked)
    assert "No: nothing grants it." in told
    assert "organization-template-admin:coder" in told
    told = body(olive, "access", query="?user=mia&action=start&object=workspace:mia/dev-1")
    assert "Yes: granted by the role member at the user level." in told
    prebuild = "?user=olive&action=delete&object=workspace:prebuilds/nothing"
    assert "There is no such object" in body(olive, "access", query=prebuild)
    assert "is no action of template" in body(olive, "access", query="?user=mia&action=ssh&object=template")
    assert "is no resource type" in body(olive, "access", query="?user=mia&action=read&object=unicorn:7")


def test_explanation_for_administrators_of_an_organization_ends_at_its_border(
    here: World, client_of: ClientOf
) -> None:
    lead = person("lead")
    OrganizationMember.objects.filter(user=lead).update(roles=["organization-admin"])
    client = client_of(lead)
    inside = "?user=mia&action=update&object=template:coder/go-service"
    assert "No: nothing grants it." in body(client, "access", query=inside)
    for outside in ("audit_log", "template@any", "workspace:nobody/x", "organization:nowhere"):
        assert "There is no such object" in body(
            client, "access", query=f"?user=mia&action=read&object={outside}"
        )
    assert client_of(here.member).get(reverse("dashboard:access")).status_code == 403


def test_audit_page_shows_changes_masks_secrets_and_filters(here: World, client_of: ClientOf) -> None:
    AuditLog.objects.all().delete()
    actor = subject_for(here.owner)
    record(
        actor=actor,
        action="write",
        resource_type="template",
        resource_id=here.template.pk,
        resource_target="go-service",
        organization_id=here.template.organization_id,
        diff={
            "name": {"old": "<b>old</b>", "new": "go-service", "secret": False},
            "token": {"old": "", "new": "", "secret": True},
        },
    )
    record(actor=actor, action="login", resource_type="api_key", resource_target="olive", status_code=401)
    client = client_of(here.owner)
    shown = body(client, "audit")
    assert "&lt;b&gt;old&lt;/b&gt;" in shown
    assert "changed; the value is not kept" in shown
    assert 'href="/templates/coder/go-service"' in shown
    assert "Refused" in shown
    assert "2 entries" in shown
    one = body(client, "audit", query="?filter=action:login")
    assert "1 entry matches the filter" in one
    assert "go-service</a>" not in one
    assert "is not one of" in body(client, "audit", query="?filter=action:fly")
    picked = client.get(reverse("dashboard:audit"), {"filter": "", "action": "write", "was.action": ""})
    assert picked["Location"] == "/audit?filter=action%3Awrite"
    export = client.get(reverse("dashboard:audit-export"), {"filter": "action:login", "format": "csv"})
    assert export.content.decode().count("\r\n") == 2
    assert client.get(reverse("dashboard:audit-export"), {"format": "xml"}).status_code == 400


def test_refused_command_of_a_page_is_in_the_trail(here: World, client_of: ClientOf) -> None:
    cache.clear()
    AuditLog.objects.all().delete()
    url = reverse("dashboard:template-delete", args=TEMPLATE)
    assert client_of(here.member).post(url).status_code == 403
    row = AuditLog.objects.get()
    assert (row.username, row.action, row.resource_type, row.status_code) == (
        "mia",
        "delete",
        "template",
        403,
    )
