"""Forms under load, the author's command beside ``tfparse``, and the parameters of a build.

One hundred people type four times a second into forms of one template (30 parameters, 5 modules) of one web
process; each waits for the answer to what they typed. An answer that was superseded by a newer one counts
with the time of the newer one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.scenarios.application import ROOT, Application, clean_environment, running

from .figure import Figure
from .language import folders, geometric_mean, median_ms
from .parameters import files

FORMS = 100
PER_SECOND = 4
SECONDS = 10
BUILDS = 200


def measure() -> list[Figure]:
    """Milliseconds on the wall."""
    return [*_typing(), *_command(), *_resolving()]


def _typing() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "data") as app:
        app.log_in()
        version = _imported(app, Path(folder))
        headers = {"Coder-Session-Token": app.client.headers["Coder-Session-Token"]}
        url = f"{app.address.replace('http', 'ws')}/api/v2/templateversions/{version}/dynamic-parameters"
        one = asyncio.run(_typed(url, headers, forms=1))
        many = asyncio.run(_typed(url, headers, forms=FORMS))
    return [
        Figure("keystroke over the websocket, one form, median", _percentile(one, 50), 5, "ms"),
        Figure("the same, slowest of a hundred", _percentile(one, 99), 25, "ms"),
        Figure(f"{FORMS} forms, {PER_SECOND} keystrokes/s each, median", _percentile(many, 50), 150, "ms"),
        Figure("the same, slowest of a hundred", _percentile(many, 99), 150, "ms"),
    ]


def _imported(app: Application, folder: Path) -> str:
    source = folder / "template"
    for name, text in files().items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text.replace("instances = 1", "instances = 0"))
    command = [sys.executable, "manage.py", "--data", str(app.data), "import_template", str(source)]
    command += ["--name", "load", "--org", "coder"]
    subprocess.run(command, cwd=ROOT, env=clean_environment(), check=True, capture_output=True)
    found = next(row for row in app.get("/templates") if row["name"] == "load")
    return str(found["active_version_id"])


async def _typed(url: str, headers: dict[str, str], *, forms: int) -> list[float]:
    async with contextlib.AsyncExitStack() as stack:
        sockets = [
            await stack.enter_async_context(
                connect(url, additional_headers=headers, max_size=None, ping_interval=None)
            )
            for _ in range(forms)
        ]
        for socket in sockets:
            await socket.recv()
        times = await asyncio.gather(*(_type(socket, at / forms) for at, socket in enumerate(sockets)))
    return sorted(time_ for of_one in times for time_ in of_one)


async def _type(socket: ClientConnection, phase: float) -> list[float]:
    """Type on, whether or not the last answer is there; each request's time until it is answered."""
    sent: dict[int, float] = {}
    times: list[float] = []
    last = PER_SECOND * SECONDS

    async def read() -> None:
        answered = 0
        while answered < last:
            answered = json.loads(await socket.recv())["id"]
            now = time.perf_counter()
            for number in [number for number in sent if number <= answered]:
                times.append((now - sent.pop(number)) * 1000)

    reader = asyncio.create_task(read())
    await asyncio.sleep(phase / PER_SECOND)
    for number in range(1, last + 1):
        sent[number] = time.perf_counter()
        inputs = {"r1": str(number % 100), "r2": str(int(phase * 100))}
        await socket.send(json.dumps({"id": number, "inputs": inputs}))
        await asyncio.sleep(1 / PER_SECOND)
    await reader
    return times


def _percentile(times: list[float], percent: int) -> float:
    return times[min(len(times) - 1, len(times) * percent // 100)]


def _command() -> list[Figure]:
    """What ``render_parameters --watch`` does when a value changes: render the compiled template again."""
    _django()
    import tfparse

    from coder_admin.parameters.owner import DEFAULT_OWNER
    from coder_admin.parameters.render import Renderer, compile_template
    from coder_admin.terraform import DirectoryFileSystem

    ours, theirs = [], []
    for folder in folders():
        renderer = Renderer(compile_template(DirectoryFileSystem(folder)))
        names = [parameter.name for parameter in renderer.render(DEFAULT_OWNER, {}).parameters]
        typed = iter(range(10_000))

        def again(renderer: Renderer = renderer, names: list[str] = names, typed: Any = typed) -> None:
            renderer.render(DEFAULT_OWNER, {names[len(names) // 2]: str(next(typed))} if names else {})

        theirs.append(median_ms(partial(tfparse.load_from_path, str(folder)), 5))
        ours.append(median_ms(again, 30))
    return [
        Figure(
            "render again (tfparse / 20, same folders)",
            geometric_mean(ours),
            geometric_mean(theirs) / 20,
            "ms",
        )
    ]


def _resolving() -> list[Figure]:
    """A start of a workspace with other values each time: owner, files, two renders, rules."""
    with _database(), tempfile.TemporaryDirectory() as folder:
        from coder_admin.catalog.models import TemplateVersion
        from coder_admin.parameters.importing import import_folder
        from coder_admin.parameters.resolving import resolve
        from tests.catalog.factories import actor_of, make_organization, make_user

        for name, text in files().items():
            (Path(folder) / name).parent.mkdir(parents=True, exist_ok=True)
            (Path(folder) / name).write_text(text)
        organization = make_organization()
        admin = make_user(organization, org_roles=["organization-template-admin"])
        made = import_folder(
            actor=actor_of(admin), organization=organization, folder=Path(folder), name="load"
        )
        version = TemplateVersion.objects.select_related("job", "template").get(pk=made.version.pk)
        values = iter(range(10_000))

        def start() -> None:
            at = next(values)
            resolve(
                version=version,
                owner_id=admin.pk,
                first_build=False,
                transition="start",
                previous={"r1": str(at % 100), "r2": str(at // 100)},
                request={"r3": str((at + 1) % 100)},
                preset={},
            )

        start()
        return [
            Figure("parameters of a build, warm, values new each time", median_ms(start, BUILDS), 10, "ms")
        ]


def _django() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()


@contextlib.contextmanager
def _database() -> Iterator[None]:
    """A database of its own that is gone afterwards."""
    _django()
    from django.db import connection

    name = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        yield
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)
