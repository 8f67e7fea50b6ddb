"""The built-in resource types: what they draw, write and keep."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import time_machine
from hypothesis import given, settings
from hypothesis import strategies as st

from coder_admin.provisioning.engines import EngineError
from coder_admin.provisioning.engines.embedded import confined
from coder_admin.provisioning.engines.embedded.resource import ResourceError
from coder_admin.provisioning.engines.embedded.state import PRIVATE_FOLDER
from coder_admin.provisioning.engines.embedded.types.random import _draw
from coder_admin.provisioning.engines.embedded.types.time import seconds_of, shift
from tests.provisioning.embedded.conftest import Space, actions, change


def res(type_name: str, body: str, name: str = "r") -> str:
    return f'resource "{type_name}" "{name}" {{\n{body}\n}}\n'


CLASSES = ("special", "upper", "lower", "numeric")


@settings(deadline=None)
@given(
    length=st.integers(0, 80),
    allowed=st.sets(st.sampled_from(CLASSES), min_size=1),
    minimum=st.dictionaries(st.sampled_from(CLASSES), st.integers(0, 5)),
)
def test_random_strings_hold_what_was_asked(length: int, allowed: set[str], minimum: dict[str, int]) -> None:
    minimum = {name: minimum.get(name, 0) for name in CLASSES}
    length += sum(minimum[name] for name in allowed) or 1
    values: dict[str, Any] = {"length": length, "number": None, "override_special": "#!"}
    values |= {name: name in allowed for name in CLASSES} | {f"min_{n}": minimum[n] for n in CLASSES}
    drawn = _draw(values)
    patterns = {"special": r"[#!]", "upper": "[A-Z]", "lower": "[a-z]", "numeric": "[0-9]"}
    assert len(drawn) == length
    for name, pattern in patterns.items():
        found = len(re.findall(pattern, drawn))
        assert found >= minimum[name] if name in allowed else found == 0


def test_random_values_are_kept_until_a_keeper_changes(space: Space) -> None:
    template = (
        res("random_string", "length = 8\n keepers = { k = %d }", "s")
        + res("random_password", "length = 16", "p")
        + res("random_id", 'byte_length = 4\n prefix = "p-"', "i")
        + res("random_integer", "min = 5\n max = 7", "n")
        + res("random_pet", 'length = 3\n prefix = "dev"', "t")
        + res("random_uuid", "", "u")
        + res("random_shuffle", 'input = ["a", "b", "c"]\n result_count = 5', "f")
        + res("random_bytes", "length = 6", "b")
    )
    space.ok(template % 1)
    first = {address: space.attributes(address) for address in space.now.resources}
    plan = space.plan(template % 2)
    assert {a for a, c in actions(plan).items() if c != ["no-op"]} == {"random_string.s"}
    assert plan.replacements == {"random_string.s": ["keepers"]}
    space.ok(template % 2)
    assert space.attributes("random_string.s")["result"] != first["random_string.s"]["result"]
    raw = base64.b64decode(first["random_id.i"]["b64_std"].removeprefix("p-"))
    assert first["random_id.i"]["hex"] == "p-" + raw.hex()
    assert first["random_id.i"]["dec"] == f"p-{int.from_bytes(raw, 'big')}"
    assert first["random_id.i"]["id"] == base64.urlsafe_b64encode(raw).decode().rstrip("=")
    assert first["random_integer.n"]["result"] in {5, 6, 7}
    assert re.fullmatch(r"dev(-[a-z]+){3}", first["random_pet.t"]["id"])
    assert sorted(first["random_shuffle.f"]["result"][:3]) == ["a", "b", "c"]
    assert len(first["random_shuffle.f"]["result"]) == 5
    password = first["random_password.p"]
    assert bcrypt.checkpw(password["result"].encode(), password["bcrypt_hash"].encode())
    assert password["result"] not in space.text()
    after = change(plan, "random_password.p")["change"]
    assert after["after_sensitive"] == {"result": True, "bcrypt_hash": True}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("random_integer|min = 5\n max = 4", "min must not be greater"),
        ("random_string|length = 2\n min_upper = 3", "length must be at least 3"),
        (
            "random_string|length = 2\n upper = false\n lower = false\n special = false\n numeric = false",
            "at least one",
        ),
        ("random_id|byte_length = 0", "whole number from 1"),
        ("time_sleep|", "one of create_duration"),
        ('time_sleep|create_duration = "5 minutes"', "must be a duration"),
        ('time_sleep|create_duration = "25h"', "longer than one hour"),
        ('time_static|rfc3339 = "yesterday"', "RFC 3339"),
        ("time_offset|", "at least one offset"),
        ("time_rotating|", "at least one rotation"),
        ('local_file|filename = "f"', "one of content"),
        ('local_file|filename = "f"\n content = "a"\n content_base64 = "YQ=="', "only one of"),
        ('local_file|filename = "f"\n content = "a"\n file_permission = "rwx"', "octal"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(space: Space, body: str, words: str) -> None:
    type_name, _, arguments = body.partition("|")
    with pytest.raises(EngineError, match=words):
        space.plan(res(type_name, arguments))


@given(st.integers(0, 10_000), st.integers(0, 59), st.integers(0, 999))
def test_durations_are_read_as_go_writes_them(minutes: int, seconds: int, milliseconds: int) -> None:
    total = minutes * 60 + seconds + milliseconds / 1000
    hours, rest = divmod(minutes, 60)
    assert seconds_of(f"{hours}h{rest}m{seconds}s{milliseconds}ms") == pytest.approx(total)


@pytest.mark.parametrize("text", ["", "5", "s", "5 s", "-5s", "5x", "5s5"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        seconds_of(text)


@given(st.datetimes(datetime(1971, 1, 1), datetime(2400, 1, 1)), st.integers(-400, 400))
def test_moving_by_months_keeps_the_day_or_overflows_like_go(at: datetime, months: int) -> None:
    at = at.replace(tzinfo=UTC)
    moved = shift(at, months=months)
    month = (at.month - 1 + months) % 12 + 1
    assert moved.time() == at.time()
    if moved.day == at.day:
        assert moved.month == month
    else:
        assert moved.day <= 3
        assert moved.month == month % 12 + 1


def test_times_stand_still_and_rotate(space: Space) -> None:
    template = (
        res("time_static", "", "s")
        + res("time_offset", "offset_days = %d", "o")
        + res("time_rotating", "rotation_days = 30", "r")
    )
    with time_machine.travel(datetime(2026, 1, 31, 9, tzinfo=UTC), tick=False):
        space.ok(template % 1)
        assert space.attributes("time_static.s")["rfc3339"] == "2026-01-31T09:00:00Z"
        assert space.attributes("time_offset.o")["rfc3339"] == "2026-02-01T09:00:00Z"
        assert space.attributes("time_rotating.r")["rotation_rfc3339"] == "2026-03-02T09:00:00Z"
        assert space.attributes("time_static.s")["unix"] == 1769850000
    with time_machine.travel(datetime(2026, 2, 1, tzinfo=UTC), tick=False):
        plan = space.plan(template % 2)
        assert actions(plan) == {
            "time_static.s": ["no-op"],
            "time_offset.o": ["update"],
            "time_rotating.r": ["no-op"],
        }
        space.ok(template % 2)
        assert space.attributes("time_offset.o")["rfc3339"] == "2026-02-02T09:00:00Z"
    with time_machine.travel(datetime(2026, 3, 3, tzinfo=UTC), tick=False):
        assert actions(space.plan(template % 2))["time_rotating.r"] == ["create"]


def test_timestamp_is_unknown_in_the_plan_and_known_in_the_apply(space: Space) -> None:
    template = res("terraform_data", "input = timestamp()")
    assert change(space.plan(template), "terraform_data.r")["change"]["after_unknown"]["input"] is True
    space.ok(template)
    written = space.attributes("terraform_data.r")["output"]["value"]
    assert abs(datetime.fromisoformat(written) - datetime.now(UTC)) < timedelta(minutes=1)


def test_files_are_written_watched_and_removed(space: Space) -> None:
    template = res(
        "local_file", 'content = "%s"\n filename = "${path.module}/conf/app.ini"\n file_permission = "0640"'
    )
    space.ok(template % "one")
    file = space.workdir / "conf" / "app.ini"
    assert file.read_text() == "one"
    assert file.stat().st_mode & 0o777 == 0o640
    assert space.attributes("local_file.r")["content_sha256"] == hashlib.sha256(b"one").hexdigest()
    file.write_text("somebody's edit")
    plan = space.plan(template % "one")
    assert actions(plan) == {"local_file.r": ["create"]}
    space.ok(template % "two")
    assert file.read_text() == "two"
    space.ok("")
    assert not file.exists()


def test_data_files_come_from_the_workspace_or_the_template(space: Space) -> None:
    files = {
        "main.tf": """
            data "local_file" "template" {
              filename = "${path.module}/motd.txt"
            }
            resource "local_sensitive_file" "made" {
              content  = "secret text"
              filename = "made.txt"
            }
            data "local_file" "made" {
              filename = local_sensitive_file.made.filename
            }
            output "o" {
              value = "${data.local_file.template.content}${data.local_file.made.content_md5}"
            }
        """,
        "motd.txt": "hello",
    }
    plan = space.plan(files)
    assert actions(plan)["data.local_file.made"] == ["read"]
    result = space.ok(files)
    md5 = hashlib.md5(b"secret text", usedforsecurity=False).hexdigest()
    assert result.outputs["o"]["value"] == "hello" + md5
    with pytest.raises(EngineError, match=r"neither in the workspace's folder nor in the template"):
        space.plan('data "local_file" "x" {\n filename = "nowhere"\n}')


@pytest.mark.parametrize(
    "filename", ["../x", "/etc/x", "a/../../x", "..", "", ".", "/", f"{PRIVATE_FOLDER}/state.json", "a\x00b"]
)
def test_a_path_never_leads_out_of_the_folder(tmp_path: Path, filename: str) -> None:
    with pytest.raises(ResourceError):
        confined.write(tmp_path / "w", filename, b"x", mode=0o600, folder_mode=0o700)
    assert not (tmp_path / "x").exists()


def test_links_are_never_followed(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    (outside / "f").write_text("untouched")
    (inside / "folder").symlink_to(outside)
    (inside / "f").symlink_to(outside / "f")
    with pytest.raises(ResourceError):
        confined.write(inside, "folder/f", b"x", mode=0o600, folder_mode=0o700)
    with pytest.raises(ResourceError):
        confined.read(inside, "f")
    confined.write(inside, "f", b"x", mode=0o600, folder_mode=0o700)  # replaces the link itself
    confined.remove(inside, "f")
    os.symlink(outside / "f", inside / ".f.draft")
    with pytest.raises(ResourceError):
        confined.write(inside, "f", b"x", mode=0o600, folder_mode=0o700)
    assert (outside / "f").read_text() == "untouched"


def test_absolute_paths_inside_the_folder_are_fine(tmp_path: Path) -> None:
    confined.write(tmp_path, str(tmp_path / "a" / "b"), b"x", mode=0o600, folder_mode=0o700)
    assert (tmp_path / "a" / "b").read_bytes() == b"x"
