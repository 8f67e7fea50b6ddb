"""The two messages of pools as people read them and what a replacement leaves behind."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from coder_admin.catalog.models import Template
from coder_admin.foundation.markdown import to_html, to_text
from coder_admin.notifications import digests
from coder_admin.notifications.models import NotificationMessage
from coder_admin.notifications.rendering import render
from coder_admin.workspaces.models import WorkspaceBuild
from prebuilds.models import PrebuildEvent
from prebuilds.notices import FAILURE_LIMIT_REACHED, RESOURCE_REPLACED, resources_replaced
from prebuilds.passes import Memory, reconcile_once
from tests.prebuilds import world
from tests.prebuilds.world import Prebuild

pytestmark = pytest.mark.django_db


def test_a_replacement_is_counted_once_and_told_to_administrators() -> None:
    admin, ann = world.person("admin", ["template-admin"]), world.person()
    world.person("boss", ["owner"])
    template = world.template()
    preset = world.preset(template.active_version)
    row = Prebuild(preset, template.active_version, owner=ann.id).save()
    build = world.add_build(row, template.active_version, preset, initiator=ann.id)
    resources_replaced(build, {"docker_container.b[0]": ["image", "env"], "docker_container.a": ["name"]})
    event = PrebuildEvent.objects.get(kind="replacement")
    assert (event.preset_name, event.workspace_id) == ("large", row.pk)
    messages = NotificationMessage.objects.filter(
        notification_template_id=RESOURCE_REPLACED.id, method="inbox"
    )
    assert {message.user_id for message in messages} == {admin.id}
    payload = messages[0].payload
    assert payload["labels"] == {
        "org": "coder", "workspace": row.name, "template": "docker", "template_version": "v1",
        "preset": "large", "workspace_build_num": "2", "claimant": "ann",
    }  # fmt: skip
    assert payload["data"] == {
        "replacements": {"docker_container.a": "name", "docker_container.b[0]": "image, env"}
    }
    assert [action["url"].split("/", 3)[3] for action in payload["actions"]] == [
        f"@ann/{row.name}/builds/2",
        "templates/coder/docker/versions/v1",
    ]
    assert payload["targets"][-1] == str(build.id)
    text = render(RESOURCE_REPLACED, payload).body
    assert "because of image, env" in text
    assert "**ann**" in text


def test_a_digest_names_each_resource_with_its_cause_and_links_each_build() -> None:
    world.person("admin", ["template-admin"])
    ann = world.person()
    template = world.template()
    preset = world.preset(template.active_version)

    def claim(replacements: dict[str, list[str]]) -> WorkspaceBuild:
        row = Prebuild(preset, template.active_version, owner=ann.id).save()
        build = world.add_build(row, template.active_version, preset, initiator=ann.id)
        resources_replaced(build, replacements)
        return build

    claim({"docker_container.first": ["image"]})
    small = claim({"docker_container.b[0]": ["image", "env"], "docker_container.a": ["name"]})
    large = claim({f"docker_volume.v{number}": ["x" * 1000] for number in range(8)})
    assert digests.tell_due(timezone.now() + timedelta(hours=2)) == 1
    message = NotificationMessage.objects.get(
        notification_template_id=RESOURCE_REPLACED.id, method="inbox", payload__data__has_key="digest"
    )
    body = render(RESOURCE_REPLACED, message.payload).body
    links = re.findall(r'href="[^"]*/(@[^"]+)"', to_html(body))
    assert links == [f"@ann/{build.workspace.name}/builds/2" for build in (small, large)]
    lines = [line.strip() for line in to_text(body).splitlines()]
    assert "- docker_container.a, because of name" in lines
    assert "- docker_container.b[0], because of image, env" in lines
    assert sum("docker_volume" in line for line in lines) == 5
    assert "- and 3 more" in lines
    assert len(body) < 4_000, "however long a cause is"
    assert {str(small.id), str(large.id)} <= set(message.targets)


def test_nothing_replaced_or_no_prebuild_is_no_message() -> None:
    template = world.template()
    ann = world.person()
    row = Prebuild(None, template.active_version, owner=ann.id, initiator=ann.id).save()
    build = world.add_build(row, template.active_version)
    resources_replaced(build, {})
    resources_replaced(build, {"a.b": ["c"]})
    assert not PrebuildEvent.objects.exists()
    assert not NotificationMessage.objects.exists()


def test_a_limit_reached_while_the_template_was_deprecated_is_told_once_it_is_not() -> None:
    template = world.template()
    preset = world.preset(template.active_version, 1)
    for minute in range(3):
        Prebuild(preset, template.active_version, "failed", age=timedelta(minutes=minute)).save()
    Template.objects.update(deprecation_message="use another")
    now, memory = timezone.now() + timedelta(hours=2), Memory()
    told = NotificationMessage.objects.filter(
        notification_template_id=FAILURE_LIMIT_REACHED.id, method="inbox"
    )
    for _ in range(2):
        reconcile_once(now, memory=memory)
        assert told.count() == 0
    Template.objects.update(deprecation_message="")
    assert template.active_version is not None
    for memory_of in (memory, memory, Memory()):
        reconcile_once(now, memory=memory_of)
        assert [message.user_id for message in told] == [template.active_version.created_by_id]
    assert PrebuildEvent.objects.filter(kind="hard_limited").count() == 1


def test_an_incident_outlives_the_deprecation_of_its_template() -> None:
    template = world.template()
    preset = world.preset(template.active_version, 1)
    Prebuild(preset, template.active_version, age=timedelta(hours=1)).save()  # so that a pass looks at it
    for minute in range(3):
        Prebuild(preset, template.active_version, "failed", age=timedelta(minutes=minute)).save()
    now, memory = timezone.now() + timedelta(hours=2), Memory()
    for message in ("", "use another", "use another", "", ""):
        Template.objects.update(deprecation_message=message)
        reconcile_once(now, memory=memory)
        reconcile_once(now)
    assert list(PrebuildEvent.objects.values_list("kind", flat=True)) == ["hard_limited"]


def test_the_failure_message_names_preset_template_and_version() -> None:
    labels = {"org": "coder", "template": "web", "template_version": "v-7", "preset": "Large <b>"}
    found = render(FAILURE_LIMIT_REACHED, {"labels": labels, "data": {}})
    assert found.title == "There is a problem creating prebuilt workspaces"
    assert "**Large \\<b\\>**" in found.body
    assert "(version v\\-7)" in found.body
