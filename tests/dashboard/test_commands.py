"""What pages do: each command through its form, for who may and who may not."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from coder_admin.audit.models import AuditLog
from coder_admin.catalog.models import Template, TemplateVersionPreset
from coder_admin.notifications.models import InboxNotification
from coder_admin.organizations.models import User
from coder_admin.workspaces.choices import Transition
from coder_admin.workspaces.models import Workspace
from prebuilds.settings import reconciliation_paused
from tests.prebuilds import world as pools

from .world import PASSWORD, TEMPLATE, World

ClientOf = Callable[[User], Client]
PLACE = ("coder", "go-service")


def said(client: Client, url: str = "/inbox") -> str:
    return client.get(url).content.decode()


def test_signing_in_and_out(here: World) -> None:
    client = Client(HTTP_HOST="localhost")
    refused = client.post("/login", {"username": "mia", "password": "wrong", "next": "/inbox"})
    assert refused.status_code == 401
    assert "Incorrect email or password" in refused.content.decode()
    answer = client.post("/login", {"username": "mia@example.com", "password": PASSWORD, "next": "/inbox"})
    assert answer["Location"] == "/inbox"
    assert client.get("/inbox").status_code == 200
    assert client.post("/logout")["Location"] == "/login"
    assert client.get("/inbox").status_code == 302


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_signing_in_leads_nowhere_else(here: World, target: str) -> None:
    client = Client(HTTP_HOST="localhost")
    assert client.post("/login", {"username": "mia", "password": PASSWORD, "next": target})["Location"] == "/"


def test_suspended_people_and_system_users_cannot_sign_in(here: World) -> None:
    client = Client(HTTP_HOST="localhost")
    here.member.status = "suspended"
    here.member.save()
    assert client.post("/login", {"username": "mia", "password": PASSWORD}).status_code == 401
    assert client.post("/login", {"username": "prebuilds", "password": "none"}).status_code == 401


def test_the_theme_is_kept_in_a_cookie(here: World, client_of: ClientOf) -> None:
    client = client_of(here.member)
    client.post("/preferences/theme", {"theme": "dark", "next": "/inbox"})
    assert 'data-theme="dark"' in said(client)
    client.post("/preferences/theme", {"theme": "system"})
    assert "data-theme" not in said(client).partition("<body")[0]


def test_a_workspace_is_stopped_started_and_deleted(here: World, client_of: ClientOf) -> None:
    client = client_of(here.member)
    url = reverse("dashboard:workspace-transition", args=("mia", "dev-1", "stop"))
    assert client.get(url).status_code == 405
    answer = client.post(url)
    assert answer["Location"] == "/@mia/dev-1/builds/2"
    here.workspace.refresh_from_db()
    assert here.workspace.latest_build is not None
    assert here.workspace.latest_build.transition == Transition.STOP
    again = client.post(url, {"next": "/workspaces"})
    assert again["Location"] == "/workspaces"
    assert "already active" in said(client, "/workspaces")


def test_nobody_touches_what_is_not_theirs(here: World, client_of: ClientOf) -> None:
    client = client_of(here.stranger)
    for name in ("start", "stop", "delete", "update"):
        url = reverse("dashboard:workspace-transition", args=("mia", "dev-1", name))
        assert client.post(url).status_code == 404
    assert Workspace.objects.get(name="dev-1").builds.count() == 1


def test_an_unknown_transition_does_not_exist(here: World, client_of: ClientOf) -> None:
    url = reverse("dashboard:workspace-transition", args=("mia", "dev-1", "explode"))
    assert client_of(here.member).post(url).status_code == 404


def test_a_waiting_build_is_canceled(here: World, client_of: ClientOf) -> None:
    build = pools.add_build(here.workspace, here.version, status="pending", initiator=here.member.pk)
    client = client_of(here.member)
    assert "Cancel build" in said(client, "/@mia/dev-1/builds/2")
    client.post(reverse("dashboard:build-cancel", args=("mia", "dev-1", 2)))
    build.job.refresh_from_db()
    assert build.job.job_status == "canceled"
    assert "Cancel build" not in said(client, "/@mia/dev-1/builds/2")


def test_pools_are_paused_with_a_banner_and_resumed(here: World, client_of: ClientOf) -> None:
    client = client_of(here.owner)
    assert client_of(here.member).post("/prebuilds/paused", {"paused": "true"}).status_code == 403
    client.post("/prebuilds/paused", {"paused": "true"})
    assert reconciliation_paused()
    assert "Prebuilds are paused." in said(client_of(here.member))
    client.post("/prebuilds/paused", {"paused": "false"})
    assert not reconciliation_paused()
    client.post("/prebuilds/paused", {"paused": "maybe"})
    assert "must be true or false" in said(client)


def test_prebuilds_are_invalidated_and_a_stopped_pool_is_reset(here: World, client_of: ClientOf) -> None:
    client = client_of(here.owner)
    small = TemplateVersionPreset.objects.get(name="Small")
    reset = reverse("dashboard:preset-reset", args=(*PLACE, small.pk))
    invalidate = reverse("dashboard:template-invalidate", args=PLACE)
    for url in (reset, invalidate):
        assert client_of(here.member).post(url).status_code in (403, 404)
        assert client.post(url).status_code == 302
    small.refresh_from_db()
    assert small.prebuild_status == "healthy"
    assert small.last_invalidated_at is not None


def test_a_template_is_deprecated_opened_and_not_deleted_while_used(here: World, client_of: ClientOf) -> None:
    client = client_of(here.owner)
    url = reverse("dashboard:template-deprecate", args=PLACE)
    client.post(url, {"message": "Use the other one."})
    text = said(client, reverse("dashboard:template", args=PLACE))
    assert "Use the other one." in text
    assert client.get(reverse("dashboard:workspace-new", args=PLACE)).status_code == 409
    client.post(url, {"message": ""})
    assert client.get(reverse("dashboard:workspace-new", args=PLACE)).status_code == 200
    client.post(reverse("dashboard:template-delete", args=PLACE))
    assert Template.objects.filter(name="go-service", deleted=False).exists()
    assert client_of(here.member).post(url, {"message": "x"}).status_code == 403


def test_a_version_is_promoted(here: World, client_of: ClientOf) -> None:
    second = pools.version(here.template, "v2")
    client = client_of(here.owner)
    assert "Make active" in said(client, reverse("dashboard:version", args=(*PLACE, "v2")))
    client.post(reverse("dashboard:version-promote", args=(*PLACE, "v2")))
    here.template.refresh_from_db()
    assert here.template.active_version_id == second.pk
    assert AuditLog.objects.filter(resource_type="template").exists()


def archive(**files: bytes) -> SimpleUploadedFile:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name.replace("_tf", ".tf"))
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return SimpleUploadedFile("template.tar", buffer.getvalue())


def test_a_template_is_uploaded(here: World, client_of: ClientOf) -> None:
    client = client_of(here.owner)
    data = {
        "archive": archive(main_tf=TEMPLATE),
        "organization": str(here.template.organization_id),
        "name": "fresh",
    }
    answer = client.post("/templates/new", data)
    assert answer.status_code == 302, answer.content.decode()[:3000]
    row = Template.objects.get(name="fresh")
    assert row.active_version is not None
    assert answer["Location"] == reverse(
        "dashboard:version", args=("coder", "fresh", row.active_version.name)
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "not a name"}, "name"),
        ({"archive": SimpleUploadedFile("x.tar", b"no archive")}, "readable tar"),
        ({"archive": SimpleUploadedFile("x.zip", b"no archive")}, "zip"),
        ({"name": "go-service"}, "in use"),
        ({"organization": "nowhere"}, "not one of the available choices"),
        ({"archive": ""}, "required"),
    ],
)
def test_a_refused_upload_says_why_and_leaves_nothing(
    here: World, client_of: ClientOf, changes: dict[str, object], words: str
) -> None:
    data = {
        "archive": archive(main_tf=TEMPLATE),
        "organization": str(here.template.organization_id),
        "name": "fresh",
    }
    answer = client_of(here.owner).post("/templates/new", {**data, **changes})
    assert answer.status_code == 400
    assert words in answer.content.decode()
    assert not Template.objects.filter(name__in=("fresh", "not a name")).exists()


def test_a_version_is_uploaded_by_who_may_update(here: World, client_of: ClientOf) -> None:
    url = reverse("dashboard:version-new", args=PLACE)
    assert client_of(here.member).post(url, {"archive": archive(main_tf=TEMPLATE)}).status_code == 403
    answer = client_of(here.owner).post(
        url, {"archive": archive(main_tf=TEMPLATE), "name": "next", "message": "m"}
    )
    assert answer["Location"] == reverse("dashboard:version", args=(*PLACE, "next"))
    again = client_of(here.owner).post(url, {"archive": archive(main_tf=TEMPLATE), "name": "next"})
    assert again.status_code == 400


def test_messages_are_read_followed_and_only_ones_own(here: World, client_of: ClientOf) -> None:
    client = client_of(here.owner)
    row = InboxNotification.objects.filter(user=here.owner, read_at=None).first()
    assert row is not None
    assert client_of(here.member).post(reverse("dashboard:inbox-read", args=(row.pk,))).status_code == 404
    answer = client.post(reverse("dashboard:inbox-open", args=(row.pk, 0)))
    assert answer["Location"] == "/templates/coder/go-service/versions/v1"
    row.refresh_from_db()
    assert row.read_at is not None
    client.post(reverse("dashboard:inbox-read", args=(row.pk,)), {"is_read": "false"})
    assert InboxNotification.objects.get(pk=row.pk).read_at is None
    assert client.post(reverse("dashboard:inbox-open", args=(row.pk, 9))).status_code == 404
    client.post(reverse("dashboard:inbox-read-all"))
    assert not InboxNotification.objects.filter(user=here.owner, read_at=None).exists()


def test_a_form_without_its_token_is_refused_in_the_shell(here: World) -> None:
    client = Client(HTTP_HOST="localhost", enforce_csrf_checks=True)
    client.force_login(here.owner)
    answer = client.post("/prebuilds/paused", {"paused": "true"})
    assert answer.status_code == 403
    assert "This form is no longer valid" in answer.content.decode()
    assert not reconciliation_paused()


def create_url() -> str:
    return reverse("dashboard:workspace-new", args=PLACE)


def test_a_workspace_is_created_without_javascript(here: World, client_of: ClientOf) -> None:
    client = client_of(here.member)
    answer = client.post(
        create_url(), {"name": "fresh", "preset": "", "param.region": "us", "param.size": "2"}
    )
    assert answer.status_code == 302, answer.content.decode()
    assert answer["Location"] == "/@mia/fresh"
    build = Workspace.objects.get(name="fresh").latest_build
    assert build is not None
    assert dict(build.parameters.values_list("name", "value")) == {
        "region": "us",
        "size": "2",
        "zone": "us-1",
        "note": "in us",
    }


def test_a_preset_gives_a_prebuild_at_once(here: World, client_of: ClientOf) -> None:
    ready = set(Workspace.objects.filter(owner__username="prebuilds").values_list("pk", flat=True))
    client_of(here.member).post(create_url(), {"name": "claimed", "preset": str(here.preset_id)})
    claimed = Workspace.objects.get(name="claimed")
    assert claimed.pk in ready
    assert claimed.owner_id == here.member.pk


def test_checking_the_values_creates_nothing_and_keeps_what_was_typed(
    here: World, client_of: ClientOf
) -> None:
    answer = client_of(here.member).post(
        create_url(),
        {"name": "fresh", "action": "refresh", "preset": "", "param.region": "us", "param.size": "99"},
    )
    text = answer.content.decode()
    assert answer.status_code == 200
    assert not Workspace.objects.filter(name="fresh").exists()
    assert 'value="us" checked' in text
    assert 'value="99"' in text


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"name": ""}, "name"),
        ({"name": "not a name"}, "name"),
        ({"name": "dev-1"}, "dev-1"),
        ({"name": "fresh", "param.region": "mars"}, "option"),
    ],
)
def test_a_refused_workspace_says_why(
    here: World, client_of: ClientOf, data: dict[str, str], words: str
) -> None:
    before = Workspace.objects.count()
    answer = client_of(here.member).post(create_url(), {"preset": "", **data})
    assert answer.status_code == 400
    assert words in answer.content.decode().partition("create-form")[2]
    assert Workspace.objects.count() == before


def test_workspaces_of_others_are_created_by_who_may(here: World, client_of: ClientOf) -> None:
    data = {"name": "fresh", "preset": "", "owner": str(here.member.pk)}
    client_of(here.owner).post(create_url(), data)
    assert Workspace.objects.get(name="fresh").owner_id == here.member.pk
    client_of(here.member).post(create_url(), {**data, "name": "mine", "owner": str(here.owner.pk)})
    assert Workspace.objects.get(name="mine").owner_id == here.member.pk


def test_a_link_fills_the_form_in(here: World, client_of: ClientOf) -> None:
    text = client_of(here.member).get(f"{create_url()}?name=linked&preset=&param.region=us").content.decode()
    assert 'value="linked"' in text
    assert '"region": {"value": "us", "source": "url"}' in text
