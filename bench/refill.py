"""From a committed claim to the replacement in the queue, the loop in a thread as in `up`."""

from __future__ import annotations

import statistics
import time

from .figure import Figure
from .reconcile import database

CLAIMS = 15


def measure() -> list[Figure]:
    """Median milliseconds against the goal of 300."""
    with database():
        taken = _measured()
    return [
        Figure(f"claim to replacement in the queue, median of {CLAIMS}", statistics.median(taken), 300, "ms")
    ]


def _measured() -> list[float]:
    from django.db import transaction

    from coder_admin.organizations.models import PREBUILDS_USER_ID
    from coder_admin.workspaces.models import Workspace
    from prebuilds.claim import claim
    from prebuilds.reconciler import Reconciler
    from tests.prebuilds import world
    from tests.prebuilds.conftest import claim_request
    from tests.prebuilds.world import Prebuild

    template = world.template()
    preset = world.preset(template.active_version, CLAIMS)
    for _ in range(CLAIMS):
        Prebuild(preset, template.active_version).save()
    pooled = Workspace.objects.filter(owner=PREBUILDS_USER_ID)
    loop = Reconciler(interval=3600)
    loop.start()
    time.sleep(2)
    taken = []
    try:
        for number in range(CLAIMS):
            with transaction.atomic():
                claim(claim_request(preset, world.person(f"claimer{number}")))
            begun = time.perf_counter()
            while pooled.count() < CLAIMS:
                time.sleep(0.002)
            taken.append(1000 * (time.perf_counter() - begun))
            time.sleep(0.5)
    finally:
        loop.stop()
    return taken
