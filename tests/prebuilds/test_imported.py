"""What an import refuses of a preset's prebuilds: with the preset, the attribute, the file and the line."""

from __future__ import annotations

from pathlib import Path

import pytest

from coder_admin.catalog.models import Template
from coder_admin.foundation.errors import Invalid
from coder_admin.parameters.importing import import_folder
from rbac import Subject
from tests.prebuilds import world

pytestmark = pytest.mark.django_db

TEMPLATE = """data "coder_workspace_preset" "large" {{
  name = "Large"
  prebuilds {{
    instances = {instances}
    expiration_policy {{
      ttl = {ttl}
    }}
    scheduling {{
      timezone = "{timezone}"
      schedule {{
        cron      = "{cron}"
        instances = {size}
      }}
      schedule {{
        cron      = "* 18-20 * * 5"
        instances = 3
      }}
    }}
  }}
}}
"""
GOOD = {
    "instances": "1",
    "ttl": "3600",
    "timezone": "Europe/Berlin",
    "cron": "* 9-17 * * 1-5",
    "size": "2",
}


@pytest.mark.parametrize(
    ("attribute", "value", "line", "words"),
    [
        ("instances", "-1", 4, ["instances must be 0 or more"]),
        ("instances", "1.5", 4, ["instances", "number"]),
        ("instances", '"many"', 4, ["instances", "number"]),
        ("ttl", "60", 6, ["ttl must be 0 or 3600 to 31536000", "60"]),
        ("ttl", "-1", 6, ["ttl must be 0 or 3600"]),
        ("timezone", "Mars/Base", 9, ["timezone", '"Mars/Base"']),
        ("timezone", "", 9, ["timezone"]),
        ("cron", "30 9 * * *", 11, ["cron", "minute", '"30 9 * * *"']),
        ("cron", "* 9-25 * * *", 11, ["cron", "hour", "25"]),
        ("cron", "* 9 * *", 11, ["cron", "4 fields"]),
        ("cron", "* 9 31 2 *", 8, ['"* 9 31 2 *"', "ever match"]),
        ("size", "-2", 12, ["instances of a schedule", "-2"]),
        (
            "cron",
            "* 9-18 * * 1-5",
            8,
            ['"* 9-18 * * 1-5"', '"* 18-20 * * 5"', "overlap", "Friday 18:00"],
        ),
    ],
)
def test_what_cannot_be_kept_is_refused(
    actor: Subject, tmp_path: Path, attribute: str, value: str, line: int, words: list[str]
) -> None:
    (tmp_path / "main.tf").write_text(TEMPLATE.format(**GOOD | {attribute: value}))
    with pytest.raises(Invalid) as caught:
        import_folder(actor=actor, organization=world.organization(), folder=tmp_path, name="scheduled")
    for word in ("Large", f"main.tf:{line}", *words):
        assert word in str(caught.value)
    assert not Template.objects.exists()


def test_what_can_be_kept_is_stored(actor: Subject, tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(TEMPLATE.format(**GOOD))
    import_folder(actor=actor, organization=world.organization(), folder=tmp_path, name="scheduled")
    version = Template.objects.get().active_version
    assert version is not None
    preset = version.presets.get()
    assert (preset.desired_instances, preset.invalidate_after_secs) == (1, 3600)
    stored = [(row.cron_expression, row.desired_instances) for row in preset.schedules.all()]
    assert stored == [("* 9-17 * * 1-5", 2), ("* 18-20 * * 5", 3)]
