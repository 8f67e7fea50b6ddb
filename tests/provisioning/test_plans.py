"""The reader of plans: real documents, and replacement detection as a property."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coder_admin.provisioning.plans import (
    PlanError,
    ResourceChange,
    path_text,
    read_plan,
    read_state,
    replacement_lines,
    replacements,
)
from tests.provisioning.cases import needs_cases, plan_folders

FOLDERS = plan_folders()


def document(folder: Path, kind: str) -> Path | None:
    found = [
        p for p in folder.glob("*.json") if p.name.endswith(kind) or (kind == "plan.json" and p.name == kind)
    ]
    return found[0] if found else None


@needs_cases
@pytest.mark.parametrize("folder", FOLDERS, ids=[f.name for f in FOLDERS])
def test_real_plans_are_read_as_their_templates_say(folder: Path) -> None:
    path = document(folder, "plan.json")
    assert path is not None
    raw = json.loads(path.read_text())
    plan = read_plan(path.read_bytes())
    declared = {
        (kind, name)
        for tf in folder.rglob("*.tf")
        for kind, name in re.findall(r'^\s*resource\s+"([^"]+)"\s+"([^"]+)"', tf.read_text("utf-8-sig"), re.M)
    }
    local = {
        name
        for tf in folder.rglob("*.tf")
        for name in re.findall(
            r'^module\s+"([^"]+)"\s*{[^}]*?source\s*=\s*"\.', tf.read_text("utf-8-sig"), re.M
        )
    }
    # A module from a registry is not in the folder; what it declares is only in the plan.
    here = [c for c in plan.changes if re.split(r"[.\[]", c.module_address + "..")[1] in local | {""}]
    assert {(c.type, c.name) for c in here} == declared
    assert all(c.actions == ("create",) for c in plan.changes)
    assert replacements(plan.changes) is None
    assert len(plan.changes) == len(raw.get("resource_changes", []))
    # What is created is planned, in whatever module it lies.
    assert {c.address for c in plan.changes} <= {r.address for r in plan.planned}


@needs_cases
@pytest.mark.parametrize("folder", FOLDERS, ids=[f.name for f in FOLDERS])
def test_real_states_hold_what_was_planned(folder: Path) -> None:
    path = document(folder, "tfstate.json")
    if path is None:
        pytest.skip("this folder has a plan only")
    plan_path = document(folder, "plan.json")
    assert plan_path is not None
    plan, state = read_plan(plan_path.read_bytes()), read_state(path.read_bytes())
    assert {r.address for r in state.resources if r.mode == "managed"} == {c.address for c in plan.changes}
    assert set(state.outputs) == set(plan.outputs)


def change(**fields: Any) -> ResourceChange:
    base: dict[str, Any] = {
        "address": "docker_container.dev",
        "mode": "managed",
        "type": "docker_container",
        "name": "dev",
        "actions": ("delete", "create"),
        "replace_paths": (["image"],),
    }
    return ResourceChange(**{**base, **fields})


ENTRIES = st.builds(
    lambda i, kind, change: {
        "address": f"{kind}.r{i}",
        "mode": "managed",
        "type": kind,
        "name": f"r{i}",
        "change": change,
    },
    st.integers(0, 5),
    st.sampled_from(["docker_container", "coder_agent", "coder_app", "aws_instance"]),
    st.none()
    | st.fixed_dictionaries(
        {
            "actions": st.sampled_from(
                [["no-op"], ["create"], ["delete", "create"], ["update"], ["create", "delete"]]
            ),
            "replace_paths": st.none()
            | st.lists(
                st.lists(st.integers(0, 3) | st.sampled_from(["a", "b"]), min_size=1) | st.text(min_size=1)
            ),
        }
    ),
)


@given(st.lists(ENTRIES, max_size=6))
def test_replacements_follow_the_rule_for_every_entry(entries: list[dict[str, Any]]) -> None:
    plan = read_plan({"format_version": "1.2", "resource_changes": entries})
    counted = [
        e
        for e in entries
        if e["change"]
        and e["change"]["actions"] != ["no-op"]
        and e["change"]["replace_paths"]
        and not e["type"].startswith("coder_")
    ]
    found = replacements(plan.changes)
    if not counted:
        assert found is None
    else:
        assert found is not None
        assert set(found) == {e["address"] for e in counted}
        last = {e["address"]: e["change"]["replace_paths"] for e in counted}
        assert {a: len(paths) for a, paths in found.items()} == {a: len(paths) for a, paths in last.items()}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (["root_block_device", 0, "volume_size"], "root_block_device.0.volume_size"),
        (["image"], "image"),
        ("image", "image"),
        ([1.0, "x"], "1.x"),
        ([], ""),
    ],
)
def test_paths_are_joined_with_dots(path: Any, text: str) -> None:
    assert path_text(path) == text


def test_the_warning_is_sorted_and_masks_what_it_must() -> None:
    lines = replacement_lines(
        [
            change(
                address="b.x",
                before={"image": "old", "key": "s3cret", "at": "then"},
                after={"image": "new", "key": "s4cret", "at": None},
                after_sensitive={"key": True},
                before_sensitive={"key": True},
                after_unknown={"at": True},
                replace_paths=(["key"], ["at"], ["image"]),
            ),
            change(address="a.x", replace_paths=()),
            change(address="coder_agent.main", type="coder_agent"),
            change(address="c.x", actions=("update",)),
        ]
    )
    assert lines == [
        "Resource replacements:",
        "  -/+ a.x (replace)",
        "      ~ replacement reason unavailable",
        "  -/+ b.x (replace)",
        '      ~ at (forces replacement): "then" -> (known after apply)',
        '      ~ image (forces replacement): "old" -> "new"',
        "      ~ key (forces replacement): (sensitive value) -> (sensitive value)",
    ]
    assert replacement_lines([]) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON"),
        ("[]", "not a JSON object"),
        ("{}", "format version"),
        ('{"format_version": "2.0"}', "2.0"),
    ],
)
def test_what_is_no_plan_is_refused(text: str, words: str) -> None:
    with pytest.raises(PlanError, match=re.escape(words)):
        read_plan(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda c: (
            st.lists(c)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "resource_changes",
                        "change",
                        "actions",
                        "planned_values",
                        "root_module",
                        "resources",
                        "child_modules",
                    ]
                ),
                c,
            )
        ),
        max_leaves=20,
    )
)
def test_any_shape_is_read_without_a_crash(shape: Any) -> None:
    plan = read_plan(
        {"format_version": "1.0", "resource_changes": shape, "planned_values": shape, "prior_state": shape}
    )
    replacement_lines(plan.changes)
    replacements(plan.changes)
