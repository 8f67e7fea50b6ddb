"""What people are told about replaced resources."""

from __future__ import annotations

from typing import Any

import pytest

from coder_admin.workspaces import claims
from coder_admin.workspaces.models import Workspace
from coder_admin.workspaces.replacements import replaced, summed

from .test_agents import begin
from .world import World, agent_result, finish, outcome

IMAGE = {"docker_container.dev[0]": ["image"]}


@pytest.mark.parametrize(
    ("path", "reference"),
    [
        ("image", "image"),
        ("root_block_device.0.volume_size", "root_block_device[0].volume_size"),
        ("tags.Name", 'tags["Name"]'),
        ('labels.a"b', 'labels["a\\"b"]'),
        ("env.0", "env[0]"),
        ("matrix.0.1", "matrix[0][1]"),
    ],
)
def test_a_path_as_ignore_changes_takes_it(path: str, reference: str) -> None:
    (row,) = replaced({"aws_instance.dev": [path]})
    assert f"ignore_changes = [{reference}]" in row.snippet
    assert row.snippet.startswith('resource "aws_instance" "dev" {')


def test_addresses_in_modules_and_with_keys() -> None:
    (row,) = replaced({'module.box["a.b"].module.net[0].aws_subnet.main["x.y"]': ["cidr_block", "tags.a"]})
    assert row.module == "module.box.module.net"
    assert 'resource "aws_subnet" "main"' in row.snippet
    assert 'ignore_changes = [cidr_block, tags["a"]]' in row.snippet
    assert row.reason == "Forced by cidr_block, tags.a."


def test_without_a_path_there_is_a_hint_instead() -> None:
    (row,) = replaced({"null_resource.x": []})
    assert row.snippet == ""
    assert "replace_triggered_by" in row.reason


def test_many_claims_become_one_list() -> None:
    rows = summed([{"a.b[0]": ["x"]}, {"a.b[1]": ["y"], "c.d": []}, {"a.b[0]": ["x"]}])
    assert [(row.address, row.paths, row.times) for row in rows] == [
        ("a.b", ("x", "y"), 3),
        ("c.d", (), 1),
    ]


def test_replacements_are_told_once_per_claim_and_never_without_one(
    world: World, django_capture_on_commit_callbacks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[int, dict[str, list[str]]]] = []

    def broken(build: Any, replacements: Any) -> None:
        raise RuntimeError("a listener that fails must not keep the others from hearing")

    def listener(build: Any, replacements: Any) -> None:
        told.append((build.build_number, dict(replacements)))

    monkeypatch.setattr(claims, "_listeners", [broken, listener])
    prebuild = world.prebuild()
    Workspace.objects.filter(pk=prebuild.pk).update(owner=world.ada, name="mine")
    with django_capture_on_commit_callbacks(execute=True):
        claim = begin(world, prebuild, "start", stage="claim")
        finish(claim, outcome(agent_result(), replacements=IMAGE))
    assert told == [(2, IMAGE)]
    claim.refresh_from_db()
    assert claim.resource_replacements == IMAGE
    with django_capture_on_commit_callbacks(execute=True):
        finish(begin(world, prebuild, "start"), outcome(agent_result(), replacements=IMAGE))
    assert len(told) == 1, "a restart that replaces is the owner's own doing"
