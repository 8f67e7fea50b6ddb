"""The stream on which an agent of a prebuild waits for its claim (reference 3.1, prebuilds.md 5.5)."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from uuid import UUID

from channels.db import database_sync_to_async

from coder_admin.foundation.listening import listening
from coder_admin.organizations.models import PREBUILDS_USER_ID
from coder_admin.provisioning.choices import ACTIVE_STATUSES, JobStatus

from .agents import agent_by_token
from .build_job import CLAIM_REASON
from .choices import PrebuildStage
from .lifecycle import ClaimAnswer, ClaimFacts, claim_answer
from .models import Workspace
from .streams import PING, PING_INTERVAL


def claim_state(workspace_id: UUID) -> tuple[ClaimAnswer, dict[str, str]]:
    """What to tell the workspace's agents now, and the event to tell it with."""
    workspace = Workspace.objects.select_related("latest_build__job").get(pk=workspace_id)
    first = workspace.builds.order_by("build_number").values_list("initiator_id", flat=True).first()
    latest = workspace.latest_build
    answer = claim_answer(
        ClaimFacts(
            owned_by_prebuilds=workspace.owner_id == PREBUILDS_USER_ID,
            first_build_by_prebuilds=first == PREBUILDS_USER_ID,
            latest_is_claim=latest is not None and latest.prebuild_stage == PrebuildStage.CLAIM,
            latest_active=latest is not None and latest.job.job_status in ACTIVE_STATUSES,
            latest_succeeded=latest is not None and latest.job.job_status == JobStatus.SUCCEEDED,
        )
    )
    event = {
        "WorkspaceID": str(workspace.id),
        "reason": CLAIM_REASON,
        "OwnerID": str(workspace.owner_id),
        "BuildID": str(latest.id) if latest is not None else "",
    }
    return answer, event


def claim_state_for(token: str, workspace_id: UUID) -> tuple[ClaimAnswer, dict[str, str]] | None:
    """`claim_state` for an agent that may still act with its token; None when it may not, or all is gone."""
    if agent_by_token(token) is None:
        return None
    try:
        return claim_state(workspace_id)
    except Workspace.DoesNotExist:
        return None


async def reinit_stream(
    workspace_id: UUID, *, token: str, ping_interval: float = PING_INTERVAL
) -> AsyncGenerator[bytes]:
    """Server-sent events until the agent hangs up, or its token ends (a claim keeps it): a ping at once and
    every 15 s, and the claim.

    Subscribes first and looks at the database afterwards, and again at each message and each ping: the
    message is only a hint, so a claim is told however it fell between.
    """
    told = ""
    async with listening(f"prebuild-claimed:{workspace_id}") as wait:
        yield PING
        while True:
            # Gives the connection back too: a stream lasts for hours, and there is one for each agent.
            found = await database_sync_to_async(claim_state_for)(token, workspace_id)
            if found is None:
                return
            answer, event = found
            if answer.claimed and event["BuildID"] != told:
                told = event["BuildID"]
                yield f"data: {json.dumps(event)}\n\n".encode()
            if not await wait(ping_interval):
                yield PING
