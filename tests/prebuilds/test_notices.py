"""The two messages of pools as people read them, what a replacement leaves behind, schedules at import."""

from __future__ import annotations

from pathlib import Path

import pytest

from coder_admin.catalog.models import Template
from coder_admin.foundation.errors import Invalid
from coder_admin.notifications.models import NotificationMessage
from coder_admin.notifications.rendering import render
from coder_admin.parameters.importing import import_folder
from prebuilds.models import PrebuildEvent
from prebuilds.notices import FAILURE_LIMIT_REACHED, RESOURCE_REPLACED, resources_replaced
from rbac import Subject
from tests.prebuilds import world
from tests.prebuilds.world import Prebuild

pytestmark = pytest.mark.django_db


def test_a_replacement_is_counted_once_and_told_to_administrators() -> None:
    admin, owner, ann = (
        world.person("admin", ["template-admin"]),
        world.person("boss", ["owner"]),
        world.person(),
    )
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
    assert {message.user_id for message in messages} == {admin.id, owner.id}
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
    text = render(RESOURCE_REPLACED, payload).body
    assert "because of image, env" in text
    assert "**ann**" in text


def test_nothing_replaced_or_no_prebuild_is_no_message() -> None:
    template = world.template()
    ann = world.person()
    row = Prebuild(None, template.active_version, owner=ann.id, initiator=ann.id).save()
    build = world.add_build(row, template.active_version)
    resources_replaced(build, {})
    resources_replaced(build, {"a.b": ["c"]})
    assert not PrebuildEvent.objects.exists()
    assert not NotificationMessage.objects.exists()


def test_the_failure_message_names_preset_template_and_version() -> None:
    labels = {"org": "coder", "template": "web", "template_version": "v-7", "preset": "Large <b>"}
    found = render(FAILURE_LIMIT_REACHED, {"labels": labels, "data": {}})
    assert found.title == "There is a problem creating prebuilt workspaces"
    assert "**Large \\<b\\>**" in found.body
    assert "(version v\\-7)" in found.body


TEMPLATE = """
data "coder_workspace_preset" "large" {{
  name = "Large"
  prebuilds {{
    instances = 1
    scheduling {{
      timezone = "Europe/Berlin"
      schedule {{
        cron      = "{first}"
        instances = 2
      }}
      schedule {{
        cron      = "{second}"
        instances = 3
      }}
    }}
  }}
}}
"""


def test_overlapping_schedules_are_refused_at_import(actor: Subject, tmp_path: Path) -> None:
    main = tmp_path / "main.tf"
    main.write_text(TEMPLATE.format(first="* 9-18 * * 1-5", second="* 18-20 * * 5"))
    with pytest.raises(Invalid) as caught:
        import_folder(actor=actor, organization=world.organization(), folder=tmp_path, name="scheduled")
    for words in ("Large", '"* 9-18 * * 1-5"', '"* 18-20 * * 5"', "Friday 18:00", "main.tf"):
        assert words in str(caught.value)
    assert not Template.objects.exists()
    main.write_text(TEMPLATE.format(first="* 9-17 * * 1-5", second="* 18-20 * * 5"))
    import_folder(actor=actor, organization=world.organization(), folder=tmp_path, name="scheduled")
    assert Template.objects.get().active_version is not None
