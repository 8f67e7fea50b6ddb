"""The main job, end to end: a pool fills, a workspace is claimed, its agent starts over, the pool refills."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from .application import Application, eventually, is_ready, running

pytestmark = [pytest.mark.scenario, pytest.mark.timeout(300), pytest.mark.xdist_group("scenario")]

TEMPLATES = ("scratchpad", "web-service", "analytics")


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    with running(tmp_path_factory.mktemp("data"), "--demo") as app:
        app.log_in()
        yield app


def template_named(app: Application, name: str) -> dict[str, Any]:
    organization = app.get("/organizations/demo")
    return app.get(f"/organizations/{organization['id']}/templates/{name}")


def preset_of(app: Application, template: dict[str, Any]) -> dict[str, Any]:
    presets = app.get(f"/templateversions/{template['active_version_id']}/presets")
    return next(preset for preset in presets if preset["DesiredPrebuildInstances"])


def claim(app: Application, template: dict[str, Any], name: str) -> tuple[dict[str, Any], float]:
    """Create a workspace from the pool; the running workspace and the seconds from click to running."""
    clicked = time.perf_counter()
    answer = app.client.post(
        f"/organizations/{template['organization_id']}/members/me/workspaces",
        json={
            "template_id": template["id"],
            "name": name,
            "template_version_preset_id": preset_of(app, template)["ID"],
        },
    )
    assert answer.status_code == 201, answer.text
    created = answer.json()
    workspace = eventually(
        lambda: (
            (found := app.get(f"/workspaces/{created['id']}"))["latest_build"]["status"] == "running"
            and found
        ),
        within=20,
        what="the claimed workspace runs",
        every=0.02,
    )
    return workspace, time.perf_counter() - clicked


def agent_of(workspace: dict[str, Any]) -> dict[str, Any]:
    return next(a for r in workspace["latest_build"]["resources"] for a in r.get("agents") or [])


def test_pools_fill_and_a_claim_hands_one_over(application: Application) -> None:
    app = application
    for name in TEMPLATES:
        eventually(partial(app.prebuilds, name), within=60, what=f"{name}: a ready prebuild")
    template = template_named(app, "scratchpad")
    pooled = {workspace["id"] for workspace in app.prebuilds("scratchpad")}

    workspace, _ = claim(app, template, "mine")

    assert workspace["id"] in pooled
    assert workspace["owner_name"] == "admin"
    assert workspace["latest_build"]["build_number"] == 2
    eventually(
        lambda: is_ready(app.get(f"/workspaces/{workspace['id']}")),
        within=20,
        what="the agent is ready again",
    )
    agent = agent_of(app.get(f"/workspaces/{workspace['id']}"))
    lines = eventually(
        lambda: [line["output"] for line in app.get(f"/workspaceagents/{agent['id']}/logs")],
        within=10,
        what="the agent's log",
    )
    assert any("Preparing a scratchpad for admin" in line for line in lines), lines
    refilled = eventually(lambda: app.prebuilds("scratchpad"), within=30, what="the pool refills")
    assert {found["id"] for found in refilled}.isdisjoint(pooled)

    deleted = app.client.post(f"/workspaces/{workspace['id']}/builds", json={"transition": "delete"})
    assert deleted.status_code == 201, deleted.text
    eventually(
        lambda: app.client.get(f"/workspaces/{workspace['id']}").status_code == 410,
        within=20,
        what="it is deleted",
    )


def test_a_claim_takes_about_a_second(
    application: Application,
    record_property: Callable[[str, object], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    app = application
    template = template_named(app, "scratchpad")
    seconds = []
    for number in range(5):
        eventually(lambda: app.prebuilds("scratchpad"), within=60, what="a ready prebuild")
        workspace, taken = claim(app, template, f"timed-{number}")
        seconds.append(taken)
        app.client.post(f"/workspaces/{workspace['id']}/builds", json={"transition": "delete"})
    median = statistics.median(seconds)
    record_property("claim_median_seconds", round(median, 3))
    with capsys.disabled():
        print(f"\nclick to running, 5 claims: median {median:.2f} s, worst {max(seconds):.2f} s")
    # A report, not a timed test; ten times the goal means that something waits for a poll.
    assert median < 15


def test_a_claim_that_replaces_a_resource_is_told(application: Application) -> None:
    app = application
    eventually(lambda: app.prebuilds("analytics"), within=60, what="a ready prebuild")
    workspace, _ = claim(app, template_named(app, "analytics"), "numbers")
    logs = app.get(f"/workspacebuilds/{workspace['latest_build']['id']}/logs")
    assert any(line["log_level"] == "warn" and "forces replacement" in line["output"] for line in logs), logs

    def told() -> list[dict[str, Any]]:
        inbox = app.get("/notifications/inbox")["notifications"]
        return [n for n in inbox if n["template_id"] == "89d9745a-816e-4695-a17f-3d0a229e2b8d"]

    eventually(told, within=20, what="the template admin is told")
    eventually(
        lambda: 'replacements_total{organization_name="demo",preset_name="Sales notebook"' in metrics(app),
        within=90,
        what="the replacement is counted",
        every=1,
    )


def metrics(app: Application) -> str:
    return app.client.get(f"{app.address}/metrics").text


def test_a_form_renders_over_the_websocket(application: Application) -> None:
    app = application
    template = template_named(app, "web-service")
    path = f"/api/v2/templateversions/{template['active_version_id']}/dynamic-parameters"
    with connect(
        app.address.replace("http", "ws") + path,
        additional_headers={"Coder-Session-Token": app.client.headers["Coder-Session-Token"]},
    ) as socket:
        first = json.loads(socket.recv(timeout=10))
        assert first["id"] == -1
        names = {parameter["name"] for parameter in first["parameters"]}
        assert names == {"language", "version", "cpu", "database", "extras"}
        socket.send(json.dumps({"id": 1, "inputs": {"language": "python", "database": "true"}}))
        second = json.loads(socket.recv(timeout=10))
    assert second["id"] == 1
    by_name = {parameter["name"]: parameter for parameter in second["parameters"]}
    assert "database_size" in by_name
    assert [option["name"] for option in by_name["version"]["options"]] == ["3.13", "3.12", "3.11"]


def test_metrics_show_the_pools(application: Application) -> None:
    text = metrics(application)
    for series in ("desired", "running", "eligible", "created_total", "preset_hard_limited"):
        assert f"coderd_prebuilt_workspaces_{series}" in text
    assert "coderd_prebuilt_workspaces_reconciliation_paused 0.0" in text


def test_an_interrupt_leaves_no_process(tmp_path: Path) -> None:
    with running(tmp_path, "--demo") as app:
        app.log_in()
        eventually(lambda: app.prebuilds("scratchpad"), within=60, what="a ready prebuild")
        assert app.interrupt() == 0
        eventually(lambda: not app.processes(), within=5, what="no process remains")


def test_a_killed_application_takes_its_agents_along_and_recovers(tmp_path: Path) -> None:
    with running(tmp_path, "--demo") as app:
        app.log_in()
        eventually(lambda: app.prebuilds("scratchpad"), within=60, what="a ready prebuild")
        app.kill()
        eventually(lambda: not app.processes(), within=10, what="no agent outlives the application")
    with running(tmp_path, "--demo") as app:
        app.log_in()
        eventually(lambda: app.prebuilds("scratchpad"), within=60, what="the pool's agents come back")
        assert len(app.get("/workspaces", q="owner:prebuilds template:scratchpad")["workspaces"]) == 1
