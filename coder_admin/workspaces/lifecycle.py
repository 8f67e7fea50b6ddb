"""Rules for agents: what a lifecycle report changes, and when an agent counts as connected.

Pure: rows come in as plain values and `now` is given (reference notifications-agents-provisioning 3.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from .choices import AgentConnection, AgentLifecycle

_START_IS_OVER = (AgentLifecycle.READY, AgentLifecycle.START_TIMEOUT, AgentLifecycle.START_ERROR)


@dataclass(frozen=True, slots=True)
class LifecycleTimes:
    """When the start scripts began and when they were over, whatever their outcome."""

    started_at: datetime | None
    ready_at: datetime | None


def times_after(state: AgentLifecycle, at: datetime, before: LifecycleTimes) -> LifecycleTimes:
    """The times after the agent reported `state` for the instant `at`."""
    if state is AgentLifecycle.STARTING:
        return LifecycleTimes(started_at=at, ready_at=None)
    if state in _START_IS_OVER:
        return LifecycleTimes(started_at=before.started_at or at, ready_at=at)
    return before


@dataclass(frozen=True, slots=True)
class ConnectionFacts:
    created_at: datetime
    first_connected_at: datetime | None
    last_connected_at: datetime | None
    disconnected_at: datetime | None
    connection_timeout_seconds: int  # 0 = waits for ever


def connection_status(facts: ConnectionFacts, *, now: datetime, inactive_after: timedelta) -> AgentConnection:
    """Derived at each reading; `inactive_after` is the silence after which a connection counts as lost."""
    if facts.first_connected_at is None or facts.last_connected_at is None:
        limit = timedelta(seconds=facts.connection_timeout_seconds)
        if limit and now - facts.created_at > limit:
            return AgentConnection.TIMEOUT
        return AgentConnection.CONNECTING
    if facts.disconnected_at is not None and facts.disconnected_at >= facts.last_connected_at:
        return AgentConnection.DISCONNECTED
    if now - facts.last_connected_at > inactive_after:
        return AgentConnection.DISCONNECTED
    return AgentConnection.CONNECTED


@dataclass(frozen=True, slots=True)
class ClaimFacts:
    """What the database knows of a workspace when its agent asks whether it was claimed."""

    owned_by_prebuilds: bool
    first_build_by_prebuilds: bool
    latest_is_claim: bool  # the latest build is the claim's own
    latest_active: bool  # its job has not ended
    latest_succeeded: bool


@dataclass(frozen=True, slots=True)
class ClaimAnswer:
    """`claimed`: tell the agent now. `possible`: it may still happen, so let the agent wait."""

    claimed: bool
    possible: bool


def claim_answer(facts: ClaimFacts) -> ClaimAnswer:
    """Whether to send, wait, or tell the agent to stop asking (prebuilds.md 5.5).

    Only while the latest build is the claim build: after any later build every reconnect would start
    the agent over again.
    """
    if not facts.first_build_by_prebuilds:
        return ClaimAnswer(claimed=False, possible=False)
    if facts.owned_by_prebuilds:
        return ClaimAnswer(claimed=False, possible=True)
    claimed = facts.latest_is_claim and facts.latest_succeeded
    return ClaimAnswer(claimed=claimed, possible=claimed or (facts.latest_is_claim and facts.latest_active))
