"""Which messages workspaces and their builds send, to whom, and when they send none."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from coder_admin.catalog import services as catalog
from coder_admin.catalog.models import Template
from coder_admin.foundation.markdown import to_html, to_text
from coder_admin.notifications import digests
from coder_admin.notifications.kinds import Kind
from coder_admin.notifications.models import (
    NotificationBurst,
    NotificationIncident,
    NotificationMessage,
    NotificationPreference,
)
from coder_admin.notifications.rendering import render
from coder_admin.organizations.models import User
from coder_admin.provisioning.handlers import JobCanceled
from coder_admin.workspaces import message_kinds as notices
from coder_admin.workspaces import scheduling, services
from coder_admin.workspaces.messages import in_words
from coder_admin.workspaces.models import Workspace, WorkspaceBuild
from coder_admin.workspaces.notices import Happening, Notice, tell
from tests.people import organization, person, subject

from .world import World, fail, finish, latest_build, orchestrator, reread, settled


def told(kind: Kind) -> dict[str, dict[str, Any]]:
    """Username to payload of the inbox messages of a kind."""
    rows = NotificationMessage.objects.filter(notification_template_id=kind.id, method="inbox")
    return {row.user.username: row.payload for row in rows.select_related("user")}


def wants(kind: Kind, *people: User) -> None:
    for user in people:
        NotificationPreference.objects.create(user=user, notification_template_id=kind.id, disabled=False)


def admins(world: World) -> tuple[User, User]:
    """A template admin of the organization, and one of another."""
    return person("zoe", roles=["template-admin"]), person(
        "away", roles=["template-admin"], memberships={organization("elsewhere"): []}
    )


def test_a_manual_build_that_failed_is_told_to_template_admins_of_the_organization(world: World) -> None:
    admins(world)
    workspace = world.create()
    build = workspace.latest_build
    assert build is not None
    fail(build)
    messages = told(notices.MANUAL_BUILD_FAILED)
    assert set(messages) == {"zoe"}
    payload = messages["zoe"]
    assert payload["labels"] == {
        "name": "dev",
        "template_name": "web",
        "template_version_name": build.template_version.name,
        "initiator": "ada",
        "workspace_owner_username": "ada",
        "workspace_build_number": "1",
    }
    assert payload["actions"][0]["url"].endswith("/@ada/dev/builds/1")
    assert str(workspace.id) in payload["targets"]
    assert str(workspace.template_id) in payload["targets"]
    assert render(notices.MANUAL_BUILD_FAILED, payload).title == 'Workspace "dev" manual build failed'
    assert not told(notices.AUTOBUILD_FAILED)


def test_where_nobody_is_template_admin_owners_hear_of_it(world: World) -> None:
    fail(latest_build(world.create()))
    assert set(told(notices.MANUAL_BUILD_FAILED)) == {"boss"}


def test_many_failed_builds_of_one_template_become_one_message(world: World) -> None:
    admins(world)
    for number in range(4):
        fail(latest_build(world.create(f"dev{number}")))
    assert len(told(notices.MANUAL_BUILD_FAILED)) == 1
    held = NotificationIncident.objects.values_list("labels__name", flat=True)
    assert list(held) == ["dev1", "dev2", "dev3"]
    # A template's filter goes by its name, whatever it is displayed as.
    Template.objects.filter(pk=world.template.pk).update(display_name="The Web")
    fail(latest_build(world.create("dev4")))
    assert digests.tell_due(timezone.now() + timedelta(hours=2)) == 1
    row = NotificationMessage.objects.get(
        notification_template_id=notices.MANUAL_BUILD_FAILED.id,
        method="inbox",
        payload__data__has_key="digest",
    )
    assert render(notices.MANUAL_BUILD_FAILED, row.payload).title == "4 more builds of The Web failed"
    assert [action["url"].partition("/workspaces")[2] for action in row.payload["actions"]] == [
        "?filter=status:failed+template:web"
    ]


def test_an_automatic_build_that_failed_is_told_to_the_owner(world: World) -> None:
    admins(world)
    workspace = world.running()
    build = services.workspace_stop(actor=subject(world.ada), workspace=workspace, reason="autostop")
    fail(build)
    messages = told(notices.AUTOBUILD_FAILED)
    assert set(messages) == {"ada"}
    assert messages["ada"]["labels"] == {"name": "dev", "reason": "autostop"}
    assert not told(notices.MANUAL_BUILD_FAILED)


def autobuild_fails(world: World, workspace: Workspace) -> WorkspaceBuild:
    build = services.workspace_stop(actor=subject(world.ada), workspace=workspace, reason="autostop")
    fail(build)
    return build


def test_an_automatic_build_that_failed_is_linked(world: World) -> None:
    build = autobuild_fails(world, world.running())
    payload = told(notices.AUTOBUILD_FAILED)["ada"]
    assert payload["data"] == {"workspace_build_number": 2}
    assert str(build.pk) in payload["targets"]
    assert [(action["label"], action["url"].partition("/@")[2]) for action in payload["actions"]] == [
        ("View build", "ada/dev/builds/2")
    ]


def test_each_automatic_build_that_fails_on_a_day_is_told(world: World) -> None:
    """Of the same reason, and not within one window: that would be one digest."""
    workspace = world.running()
    autobuild_fails(world, workspace)
    NotificationBurst.objects.all().delete()  # its quiet time is over
    autobuild_fails(world, reread(workspace))
    rows = NotificationMessage.objects.filter(
        notification_template_id=notices.AUTOBUILD_FAILED.id, method="inbox"
    )
    assert sorted(row.payload["data"]["workspace_build_number"] for row in rows) == [2, 3]


def test_a_digest_of_automatic_builds_links_each(world: World) -> None:
    workspace = world.running()
    for _ in range(3):
        autobuild_fails(world, reread(workspace))
    assert digests.tell_due(timezone.now() + timedelta(hours=2)) == 1
    row = NotificationMessage.objects.get(
        notification_template_id=notices.AUTOBUILD_FAILED.id, method="inbox", payload__data__has_key="digest"
    )
    text = render(notices.AUTOBUILD_FAILED, row.payload)
    assert text.title == '2 more autobuilds of "dev" failed'
    html = to_html(text.body)
    assert [link.partition("/@")[2] for link in re.findall(r'href="([^"]+)"', html)] == [
        "ada/dev/builds/3",
        "ada/dev/builds/4",
    ]
    assert [action["url"].partition("/@")[2] for action in row.payload["actions"]] == ["ada/dev/builds"]


def test_a_refusal_that_follows_another_build_is_told_on_the_same_day(world: World) -> None:
    workspace = world.running()

    def refuse() -> None:
        with orchestrator() as actor, transaction.atomic():
            tell(Notice(Happening.REFUSED, reread(workspace), actor, "The quota is used up."))

    refuse()
    refuse()  # by a second process, of the same attempt
    assert not NotificationIncident.objects.exists()
    rows = NotificationMessage.objects.filter(
        notification_template_id=notices.AUTOBUILD_FAILED.id, method="inbox"
    )
    assert rows.count() == 1
    assert [(action["label"], action["url"].partition("/@")[2]) for action in rows[0].payload["actions"]] == [
        ("View workspace", "ada/dev")
    ]
    body = to_text(render(notices.AUTOBUILD_FAILED, rows[0].payload).body)
    assert "could not begin: The quota is used up." in body
    assert "begun by" not in body
    finish(services.workspace_stop(actor=subject(world.ada), workspace=workspace))
    for hours in (2, 4, 6):
        refuse()
        refuse()  # by one that was started again
        digests.tell_due(timezone.now() + timedelta(hours=hours))
        assert rows.count() == 2
    assert render(notices.AUTOBUILD_FAILED, rows.latest("created_at").payload).title == (
        'Workspace "dev" autobuild failed'
    )


def test_a_canceled_build_and_a_pools_build_are_no_news(world: World) -> None:
    admins(world)
    fail(latest_build(world.create()), JobCanceled())
    fail(latest_build(world.prebuild(settle=False)))
    assert not told(notices.MANUAL_BUILD_FAILED)
    assert not told(notices.AUTOBUILD_FAILED)


def test_a_new_workspace_is_told_to_its_owner_if_they_want(world: World) -> None:
    world.create("first")
    assert not told(notices.WORKSPACE_CREATED), "off by default"
    wants(notices.WORKSPACE_CREATED, world.ada)
    world.create("second")
    payload = told(notices.WORKSPACE_CREATED)["ada"]
    assert payload["labels"] == {"workspace": "second", "template": "web", "version": world.version.name}
    assert payload["actions"][0]["url"].endswith("/@ada/second")


def test_a_manual_update_is_told_to_admins_who_want_but_not_to_who_did_it(world: World) -> None:
    zoe, _ = admins(world)
    wants(notices.WORKSPACE_MANUALLY_UPDATED, zoe, world.boss)
    workspace = world.running()
    finish(services.workspace_update(actor=subject(world.boss), workspace=workspace))
    assert not told(notices.WORKSPACE_MANUALLY_UPDATED), "the same version"
    version = world.new_version()
    world.activate(version)
    workspace = Workspace.objects.get(pk=workspace.pk)
    services.workspace_update(actor=subject(world.boss), workspace=workspace)
    messages = told(notices.WORKSPACE_MANUALLY_UPDATED)
    assert set(messages) == {"zoe"}
    assert messages["zoe"]["labels"] == {
        "organization": "coder",
        "initiator": "boss",
        "workspace": "dev",
        "template": "web",
        "version": version.name,
        "workspace_owner_username": "ada",
    }


def test_an_automatic_update_is_told_to_the_owner(world: World) -> None:
    workspace = world.running()
    stopped = services.workspace_stop(actor=subject(world.ada), workspace=workspace)
    finish(stopped)
    Workspace.objects.filter(pk=workspace.pk).update(automatic_updates="always")
    version = world.new_version()
    world.activate(version)
    services.workspace_start(actor=subject(world.ada), workspace=Workspace.objects.get(pk=workspace.pk))
    messages = told(notices.WORKSPACE_UPDATED_AUTOMATICALLY)
    assert set(messages) == {"ada"}
    assert messages["ada"]["labels"]["template_version_name"] == version.name


def test_a_deletion_is_told_to_the_owner_unless_they_did_it(world: World) -> None:
    own = world.running("own")
    finish(services.workspace_delete(actor=subject(world.ada), workspace=own))
    assert not told(notices.WORKSPACE_DELETED)
    other = world.running("other")
    finish(services.workspace_delete(actor=subject(world.boss), workspace=other))
    messages = told(notices.WORKSPACE_DELETED)
    assert set(messages) == {"ada"}
    assert messages["ada"]["labels"] == {
        "name": "other",
        "reason": "initiated by user",
        "initiator": "boss",
    }
    with orchestrator() as actor:
        prebuild = settled(world.prebuild(settle=False))
        finish(services.workspace_delete(actor=actor, workspace=prebuild, stage="create"))
    assert len(told(notices.WORKSPACE_DELETED)) == 1


def test_a_deprecation_reaches_each_owner_of_a_workspace_once(world: World) -> None:
    from coder_admin.catalog.notices import TEMPLATE_DEPRECATED

    bob = person("bob")
    world.running("one")
    world.running("two")
    world.running("three", user=bob)
    world.prebuild()
    catalog.template_deprecate(actor=subject(world.boss), template=world.template, message="Use *web2*.")
    messages = told(TEMPLATE_DEPRECATED)
    assert set(messages) == {"ada", "bob"}
    assert messages["bob"]["labels"] == {
        "template": "web",
        "message": "Use *web2*.",
        "organization": "coder",
    }
    assert [action["url"].partition("/workspaces")[2] for action in messages["bob"]["actions"][:1]] == [
        "?filter=owner:me+template:web"
    ]
    assert "Use \\*web2\\*\\." in render(TEMPLATE_DEPRECATED, messages["bob"]).body
    # Opening it again is no deprecation.
    catalog.template_deprecate(actor=subject(world.boss), template=world.template, message="")
    assert NotificationMessage.objects.filter(notification_template_id=TEMPLATE_DEPRECATED.id).count() == 4


def test_what_happens_by_itself_is_told_to_the_owner(world: World) -> None:
    workspace = world.running()
    Template.objects.filter(pk=world.template.pk).update(
        time_til_dormant_ms=48 * 3_600_000, time_til_dormant_autodelete_ms=7 * 24 * 3_600_000
    )
    scheduling.workspace_set_dormant(actor=subject(world.boss), workspace=workspace, dormant=True)
    labels = told(notices.WORKSPACE_DORMANT)["ada"]["labels"]
    assert labels == {
        "name": "dev",
        "reason": "requested by a person",
        "initiator": "boss",
        "dormancyHours": "48",
        "timeTilDormant": "7 days",
    }
    body = render(notices.WORKSPACE_DORMANT, told(notices.WORKSPACE_DORMANT)["ada"]).body
    assert "it is deleted in 7 days" in body


def test_ones_own_dormancy_is_no_news(world: World) -> None:
    scheduling.workspace_set_dormant(actor=subject(world.ada), workspace=world.running(), dormant=True)
    assert not told(notices.WORKSPACE_DORMANT)


def test_a_new_rule_that_deletes_what_sleeps_is_told_once(world: World) -> None:
    scheduling.workspace_set_dormant(actor=subject(world.ada), workspace=world.running(), dormant=True)
    for days in (7, 5):
        catalog.template_update(
            actor=subject(world.boss),
            template=world.template,
            time_til_dormant_autodelete_ms=days * 24 * 3_600_000,
        )
    messages = told(notices.WORKSPACE_MARKED_FOR_DELETION)
    assert set(messages) == {"ada"}
    assert messages["ada"]["labels"]["timeTilDormant"] == "7 days"


def test_a_refused_automatic_start_is_told_to_the_owner(world: World) -> None:
    workspace = world.running()
    with orchestrator() as actor, transaction.atomic():
        tell(Notice(Happening.REFUSED, workspace, actor, "The quota is used up."))
    assert told(notices.AUTOBUILD_FAILED)["ada"]["labels"] == {
        "name": "dev",
        "reason": "The quota is used up.",
    }


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(days=7), "7 days"),
        (timedelta(days=6, hours=23, minutes=59), "7 days"),
        (timedelta(hours=1, minutes=10), "1 hour"),
        (timedelta(seconds=40), "1 minute"),
        (timedelta(seconds=-5), "0 minutes"),
    ],
)
def test_lengths_of_time_in_words(length: timedelta, words: str) -> None:
    assert in_words(length) == words
