"""Every page: who gets it, with much, with nothing, and at what price in queries."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from coder_admin.organizations.models import Organization, OrganizationMember, User
from coder_admin.organizations.seed import ensure_system_rows
from coder_admin.workspaces.models import Workspace
from tests.prebuilds import world as pools

from .world import LONG, LONG_LABEL, World, person, template_of

ClientOf = Callable[[User], Client]
PLACE = ("coder", "go-service")


def addresses(here: World) -> dict[str, str]:
    build = here.workspace.latest_build
    assert build is not None
    mine = ("mia", "dev-1")
    return {
        "overview": reverse("dashboard:overview"),
        "overview part": reverse("dashboard:overview"),
        "search": f"{reverse('dashboard:search')}?q=go",
        "inbox": reverse("dashboard:inbox"),
        "inbox latest": reverse("dashboard:inbox-latest"),
        "inbox count": reverse("dashboard:inbox-count"),
        "notification settings": reverse("dashboard:notification-settings"),
        "deliveries": reverse("dashboard:deliveries"),
        "notification methods": reverse("dashboard:notification-methods"),
        "workspaces": reverse("dashboard:workspaces"),
        "templates": reverse("dashboard:templates"),
        "prebuilds": reverse("dashboard:prebuilds"),
        "people": reverse("dashboard:people"),
        "groups": reverse("dashboard:groups"),
        "quota": reverse("dashboard:quota"),
        "access": f"{reverse('dashboard:access')}?user=mia&action=start&object=workspace:mia/dev-1",
        "audit": reverse("dashboard:audit"),
        "audit export": f"{reverse('dashboard:audit-export')}?format=csv",
        "template permissions": reverse("dashboard:template-permissions", args=PLACE),
        "workspace sharing": reverse("dashboard:workspace-sharing", args=mine),
        "workspace": reverse("dashboard:workspace", args=mine),
        "workspace body": f"{reverse('dashboard:workspace', args=mine)}?part=body",
        "workspace sentence": f"{reverse('dashboard:workspace', args=mine)}?part=sentence",
        "workspace builds": reverse("dashboard:workspace-builds", args=mine),
        "workspace parameters": reverse("dashboard:workspace-parameters", args=mine),
        "build": reverse("dashboard:build", args=(*mine, 1)),
        "build badge": f"{reverse('dashboard:build', args=(*mine, 1))}?part=badge",
        "agent log": reverse("dashboard:agent-logs", args=(*mine, here.agent.pk)),
        "agent download": reverse("dashboard:agent-download", args=(*mine, here.agent.pk)),
        "job log": reverse("dashboard:job-logs", args=(build.job_id,)),
        "job download": reverse("dashboard:job-download", args=(build.job_id,)),
        "template": reverse("dashboard:template", args=PLACE),
        "versions": reverse("dashboard:versions", args=PLACE),
        "version": reverse("dashboard:version", args=(*PLACE, "v1")),
        "version result": f"{reverse('dashboard:version', args=(*PLACE, 'v1'))}?part=result",
        "version preview": reverse("dashboard:version-preview", args=(*PLACE, "v1")),
        "version files": f"{reverse('dashboard:version-files', args=(*PLACE, 'v1'))}?path=main.tf",
        "preset": reverse("dashboard:preset", args=(*PLACE, here.preset_id)),
        "preset pool": f"{reverse('dashboard:preset', args=(*PLACE, here.preset_id))}?part=pool",
        "preset prebuilds": f"{reverse('dashboard:preset', args=(*PLACE, here.preset_id))}?part=prebuilds",
        "create": reverse("dashboard:workspace-new", args=PLACE),
        "new template": reverse("dashboard:template-new"),
        "new version": reverse("dashboard:version-new", args=PLACE),
        "jobs": reverse("dashboard:jobs"),
        "admin": reverse("admin:index"),
    }


EVERYBODY = {
    "overview",
    "overview part",
    "search",
    "inbox",
    "inbox latest",
    "inbox count",
    "notification settings",
    "workspaces",
    "templates",
    "prebuilds",
    "people",
    "groups",
    "quota",
}
FORBIDDEN_TO_MEMBERS = {
    "new template",
    "new version",
    "access",
    "audit",
    "audit export",
    "deliveries",
    "notification methods",
}
FORBIDDEN_TO_STRANGERS = FORBIDDEN_TO_MEMBERS - {"new version"}
HIDDEN_FROM_MEMBERS = {"jobs", "admin", "template permissions"}


def status(client: Client, address: str) -> int:
    # The admin site sends whoever it does not know through its sign-in address first.
    return client.get(address, follow=address.startswith("/admin/")).status_code


def test_an_owner_gets_every_page(here: World, client_of: ClientOf) -> None:
    client = client_of(here.owner)
    assert {name: status(client, url) for name, url in addresses(here).items()} == dict.fromkeys(
        addresses(here), 200
    )


def test_a_member_gets_what_a_member_may_see(here: World, client_of: ClientOf) -> None:
    client = client_of(here.member)
    expected = {
        name: 403 if name in FORBIDDEN_TO_MEMBERS else 404 if name in HIDDEN_FROM_MEMBERS else 200
        for name in addresses(here)
    }
    assert {name: status(client, url) for name, url in addresses(here).items()} == expected


def test_a_stranger_learns_of_nothing(here: World, client_of: ClientOf) -> None:
    client = client_of(here.stranger)
    expected = {
        name: 200 if name in EVERYBODY else 403 if name in FORBIDDEN_TO_STRANGERS else 404
        for name in addresses(here)
    }
    assert {name: status(client, url) for name, url in addresses(here).items()} == expected
    for name in EVERYBODY:
        text = client.get(addresses(here)[name]).content.decode()
        assert "go-service" not in text.replace("?q=go", ""), name
        assert "dev-1" not in text, name


def test_nobody_is_sent_to_sign_in(here: World) -> None:
    client = Client(HTTP_HOST="localhost")
    for name, url in addresses(here).items():
        response = client.get(url)
        assert response.status_code == 302, name
        assert response["Location"].startswith(("/login?next=", "/admin/login/?next=")), name


def test_pages_of_an_empty_deployment_say_what_to_do_next(db: None, client_of: ClientOf) -> None:
    ensure_system_rows()
    client = client_of(person("olive", roles=("owner",)))
    for name, words in {
        "overview": "Upload template",
        "workspaces": "Choose a template",
        "templates": "Upload template",
        "prebuilds": "A preset keeps a pool when",
        "jobs": "Start one with manage.py provisioner",
        "inbox": "No messages",
        "deliveries": "Send yourself a test",
    }.items():
        response = client.get(reverse(f"dashboard:{name}"))
        assert response.status_code == 200
        assert words in response.content.decode(), name


@pytest.mark.parametrize(
    "name",
    [
        "overview",
        "workspaces",
        "templates",
        "prebuilds",
        "people",
        "groups",
        "quota",
        "audit",
        "jobs",
        "inbox",
        "inbox latest",
        "deliveries",
        "notification settings",
        "notification methods",
        "template",
        "preset",
        "workspace builds",
        "versions",
    ],
)
def test_the_price_of_a_list_does_not_grow(here: World, client_of: ClientOf, name: str) -> None:
    client = client_of(here.owner)
    url = addresses(here)[name]
    client.get(url)
    with CaptureQueriesContext(
        connection,
    ) as few:
        client.get(url)
    _grow(here)
    with CaptureQueriesContext(connection) as many:
        client.get(url)
    assert len(many) == len(few), [query["sql"][:160] for query in many.captured_queries]


def _grow(here: World) -> None:
    for number in range(6):
        user = person(f"person{number}")
        template = template_of(here.owner, f"template-{number}")
        version = template.active_version
        assert version is not None
        preset = pools.preset(version, 2, "Pool")
        pools.Prebuild(preset, version).save()
        pools.Prebuild(preset, version, status="failed", agents=()).save()
        row = Workspace.objects.create(
            owner=user, organization=template.organization, template=template, name=f"box-{number}"
        )
        pools.add_build(row, version, preset, initiator=user.pk, agents=("ready",))
        pools.add_build(here.workspace, here.version, status="succeeded", initiator=here.member.pk)
        pools.version(here.template, f"v{number + 2}")
        pools.Prebuild(here.version.presets.get(name="Large"), here.version).save()


def test_the_longest_names_are_drawn_whole(here: World, client_of: ClientOf) -> None:
    user = person(LONG)
    template = template_of(here.owner, LONG, display_name=LONG_LABEL)
    row = Workspace.objects.create(
        owner=user, organization=template.organization, template=template, name=LONG
    )
    version = template.active_version
    assert version is not None
    pools.add_build(row, version, pools.preset(version, 3, "p" * 256), initiator=user.pk)
    client = client_of(here.owner)
    for url in (
        "/",
        "/workspaces",
        f"/@{LONG}/{LONG}",
        "/templates",
        f"/templates/coder/{LONG}",
        "/prebuilds",
    ):
        text = client.get(url).content.decode()
        assert LONG in text or LONG_LABEL in text, url


def test_names_are_text_and_never_markup(here: World, client_of: ClientOf) -> None:
    evil = '<img src=x onerror="alert(1)">'
    here.template.display_name = evil
    here.template.save()
    here.member.name = evil
    here.member.save()
    client = client_of(here.owner)
    for name, url in addresses(here).items():
        response = client.get(url)
        if not response.streaming:
            assert evil not in response.content.decode(), name


def test_the_organization_of_the_address_narrows_the_lists(here: World, client_of: ClientOf) -> None:
    other = Organization.objects.create(name="other", display_name="Other")
    OrganizationMember.objects.create(organization=other, user=here.owner)
    client = client_of(here.owner)
    assert "go-service" in client.get("/templates?organization=coder").content.decode()
    elsewhere = client.get("/templates?organization=other").content.decode()
    assert "go-service" not in elsewhere
    assert 'aria-current="true">Other' in elsewhere


def test_filters_are_the_address(here: World, client_of: ClientOf) -> None:
    client = client_of(here.owner)
    response = client.get("/workspaces", {"filter": "dev", "status": "running", "was.status": ""})
    assert response.status_code == 302
    assert response["Location"] == "/workspaces?filter=dev+status%3Arunning"
    text = client.get(response["Location"]).content.decode()
    assert "dev-1" in text
    assert "broken" not in text
    assert 'aria-label="Remove filter status:running"' in text


def test_a_filter_that_cannot_be_read_says_why(here: World, client_of: ClientOf) -> None:
    text = client_of(here.owner).get("/workspaces?filter=colour:red").content.decode()
    assert "colour" in text.partition("field-error")[2].partition("</p>")[0]


def test_a_deleted_workspace_is_still_told_of(here: World, client_of: ClientOf) -> None:
    here.workspace.deleted = True
    here.workspace.save()
    text = client_of(here.owner).get("/@mia/dev-1").content.decode()
    assert "Deleted" in text
    assert "/transition/" not in text


def test_what_an_import_warned_of_is_drawn_with_its_place(here: World, client_of: ClientOf) -> None:
    text = client_of(here.member).get(addresses(here)["version"]).content.decode()
    assert "Resource type aws_instance cannot be built here" in text
    assert "main.tf:7" in text
    assert ":0<" not in text, "a warning without a place names none"


def test_secrets_are_not_drawn(here: World, client_of: ClientOf) -> None:
    client = client_of(here.owner)
    text = client.get(addresses(here)["version"]).content.decode()
    assert "hush-hush" not in text
    assert "hidden (sensitive)" in text


def test_security_headers_and_cache(here: World, client_of: ClientOf) -> None:
    response = client_of(here.owner).get("/")
    policy = response["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "HX-Request" in response["Vary"]
    assert response["Cache-Control"] == "no-store"


def test_times_are_those_of_the_viewer(here: World, client_of: ClientOf) -> None:
    client = client_of(here.owner)
    url = addresses(here)["build"]
    client.cookies["timezone"] = "Asia/Tokyo"
    assert "JST" in client.get(url).content.decode()
    client.cookies["timezone"] = "../../etc/passwd"
    assert "UTC" in client.get(url).content.decode()


def test_what_fails_inside_is_a_page_without_details(
    here: World, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **kwargs: object) -> object:
        raise RuntimeError("the secret of the inside")

    monkeypatch.setattr("coder_admin.dashboard.selectors.overview.overview", broken)
    client = client_of(here.owner)
    client.raise_request_exception = False
    response = client.get("/")
    assert response.status_code == 500
    assert "The server failed" in response.content.decode()
    assert "secret" not in response.content.decode()


def test_unknown_addresses_are_answered_in_the_shell(here: World, client_of: ClientOf) -> None:
    response = client_of(here.owner).get("/no/such/page")
    assert response.status_code == 404
    assert "Nothing is here" in response.content.decode()
    assert 'aria-label="Main"' in response.content.decode()


def test_a_message_shows_its_markdown_as_words_not_as_marks(here: World, client_of: ClientOf) -> None:
    """Names in a message are escaped for markdown; a page that prints it raw shows the backslashes."""
    here.owner.inbox.create(
        template_id=here.preset_id,
        title="A claim replaced resources",
        content="Here sales\\-numbers of **go** lost:\n\n- random\\_id\\.volume\n\n<script>x</script>",
    )
    for address in ("dashboard:inbox", "dashboard:inbox-latest"):
        page = client_of(here.owner).get(reverse(address)).content.decode()
        assert "sales-numbers of <strong>go</strong>" in page
        assert "<li>random_id.volume</li>" in page
        assert "<script>x" not in page
