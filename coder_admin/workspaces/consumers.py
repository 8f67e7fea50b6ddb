"""Websockets: logs that are followed, and the news of one workspace."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone

from coder_admin.foundation.errors import ServiceError
from coder_admin.foundation.events import group_name
from coder_admin.organizations.guarded import Guarded
from coder_admin.organizations.socket_life import NOT_YOURS, REFUSED
from coder_admin.provisioning.consumers import JobLogConsumer
from rbac.model import Subject

from . import dry_runs, selectors
from .api.forms import line_bounds
from .api.present import agent_logs_json, workspace_json
from .models import Workspace, WorkspaceAgent

BATCH = 500


class _Feed(Guarded, AsyncWebsocketConsumer):  # type: ignore[misc]
    """Subscribes to one topic first, then sends what is stored, then what each event announces.

    Events are hints: the rows are read from the database from the last one sent on, so neither a lost
    nor a doubled event shows.
    """

    topic: str | None = None

    async def connect(self) -> None:
        try:
            topic = await database_sync_to_async(self.open)()
        except ServiceError as error:
            await self.refuse(error)
            return
        self.topic = topic
        await self.channel_layer.group_add(group_name(topic), self.channel_name)
        await self.accept()
        await self.advance()

    async def disconnect(self, code: int) -> None:
        if self.topic is not None:
            await self.channel_layer.group_discard(group_name(self.topic), self.channel_name)

    async def event_message(self, message: dict[str, Any]) -> None:
        await self.advance()

    def open(self) -> str:
        """The topic to follow; runs on a thread, after `authorise`. Raises Invalid for a bad query."""
        raise NotImplementedError

    async def advance(self) -> None:
        """Send what is new since the last call."""
        raise NotImplementedError

    @property
    def query(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(self.scope["query_string"].decode()).items()}

    def id_of(self, name: str) -> UUID:
        value = self.scope["url_route"]["kwargs"][name]
        return value if isinstance(value, UUID) else UUID(value)

    async def send_json(self, value: object) -> None:
        await self.send(text_data=json.dumps(value, cls=DjangoJSONEncoder))


class BuildLogsConsumer(JobLogConsumer):
    """`/workspacebuilds/{id}/logs?follow`: the log of the build's job."""

    def find_job(self, viewer: Subject, **path: Any) -> UUID:
        return selectors.build_get(viewer=viewer, build_id=path["build_id"]).job_id


class DryRunLogsConsumer(JobLogConsumer):
    """`/templateversions/{version}/dry-run/{job}/logs?follow`: the log of a dry run."""

    def find_job(self, viewer: Subject, **path: Any) -> UUID:
        return dry_runs.dry_run_get(viewer=viewer, version_id=path["version"], job_id=path["job"]).job_id


class AgentLogsConsumer(_Feed):
    """`/workspaceagents/{id}/logs?follow`: a frame per batch of lines."""

    agent: WorkspaceAgent
    last: int = 0

    def authorise(self) -> None:
        self.agent = selectors.agent_get(viewer=self.viewer, agent_id=self.id_of("agent_id"))

    def open(self) -> str:
        after, _ = line_bounds(self.query)
        self.last = after if after is not None else 0
        return f"agent-logs:{self.agent.id}"

    async def advance(self) -> None:
        while lines := await database_sync_to_async(self._next)():
            await self.send_json(lines)

    def _next(self) -> list[dict[str, Any]]:
        lines = list(selectors.agent_logs(self.agent, after=self.last)[:BATCH])
        self.last = lines[-1].id if lines else self.last
        return agent_logs_json(lines)


class WorkspaceConsumer(_Feed):
    """`/workspaces/{id}/watch-ws`: the workspace now, and again at each change."""

    def authorise(self) -> None:
        self._find()

    def open(self) -> str:
        return f"workspace:{self.id_of('workspace_id')}"

    async def advance(self) -> None:
        try:
            data = await database_sync_to_async(self._read)()
        except ServiceError:  # it was given to somebody else, or is gone
            await self.close(code=REFUSED, reason=NOT_YOURS)
            return
        await self.send_json({"type": "data", "data": data})

    def _read(self) -> dict[str, Any]:
        return workspace_json(self._find(), timezone.now())

    def _find(self) -> Workspace:
        return selectors.workspace_get(
            viewer=self.viewer, workspace_id=self.id_of("workspace_id"), include_deleted=True
        )
