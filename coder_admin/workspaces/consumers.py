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
from coder_admin.provisioning.choices import ACTIVE_STATUSES
from coder_admin.provisioning.models import ProvisionerJob
from rbac.django import subject_for
from rbac.model import Subject

from . import selectors
from .api.forms import line_bounds
from .api.present import agent_logs_json, build_log_json, workspace_json
from .models import WorkspaceAgent, WorkspaceBuild

BATCH = 500
REFUSED = 4404
BAD_REQUEST = 4400


class _Feed(AsyncWebsocketConsumer):  # type: ignore[misc]
    """Subscribes to one topic first, then sends what is stored, then what each event announces.

    Events are hints: the rows are read from the database from the last one sent on, so neither a lost
    nor a doubled event shows.
    """

    topic: str | None = None

    async def connect(self) -> None:
        try:
            self.topic = await database_sync_to_async(self.open)()
        except ServiceError as error:
            await self.accept()
            await self.close(code=BAD_REQUEST if error.status == 400 else REFUSED, reason=error.message[:120])
            return
        await self.channel_layer.group_add(group_name(self.topic), self.channel_name)
        await self.accept()
        await self.advance()

    async def disconnect(self, code: int) -> None:
        if self.topic is not None:
            await self.channel_layer.group_discard(group_name(self.topic), self.channel_name)

    async def event_message(self, message: dict[str, Any]) -> None:
        await self.advance()

    def open(self) -> str:
        """Authorise and return the topic; runs on a thread. Raises ServiceError."""
        raise NotImplementedError

    async def advance(self) -> None:
        """Send what is new since the last call."""
        raise NotImplementedError

    @property
    def viewer(self) -> Subject:
        return subject_for(self.scope["user"])

    @property
    def query(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(self.scope["query_string"].decode()).items()}

    def id_of(self, name: str) -> UUID:
        value = self.scope["url_route"]["kwargs"][name]
        return value if isinstance(value, UUID) else UUID(value)

    async def send_json(self, value: object) -> None:
        await self.send(text_data=json.dumps(value, cls=DjangoJSONEncoder))


class BuildLogsConsumer(_Feed):
    """`/workspacebuilds/{id}/logs?follow`: a frame per line, closed after the last one of an ended build."""

    build: WorkspaceBuild
    last: int = 0

    def open(self) -> str:
        self.build = selectors.build_get(viewer=self.viewer, build_id=self.id_of("build_id"))
        after, _ = line_bounds(self.query)
        self.last = after if after is not None else 0
        return f"job:{self.build.job_id}"

    async def advance(self) -> None:
        while True:
            lines, over = await database_sync_to_async(self._next)()
            for line in lines:
                await self.send_json(line)
            if len(lines) == BATCH:
                continue
            if over:
                await self.close(code=1000)
            return

    def _next(self) -> tuple[list[dict[str, Any]], bool]:
        # The state first: lines that come after this look are announced by another event.
        status = ProvisionerJob.objects.values_list("job_status", flat=True).get(pk=self.build.job_id)
        lines = list(selectors.build_logs(self.build, after=self.last)[:BATCH])
        self.last = lines[-1].id if lines else self.last
        return [build_log_json(line) for line in lines], status not in ACTIVE_STATUSES


class AgentLogsConsumer(_Feed):
    """`/workspaceagents/{id}/logs?follow`: a frame per batch of lines."""

    agent: WorkspaceAgent
    last: int = 0

    def open(self) -> str:
        self.agent = selectors.agent_get(viewer=self.viewer, agent_id=self.id_of("agent_id"))
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

    def open(self) -> str:
        self._workspace = self.id_of("workspace_id")
        self._read()
        return f"workspace:{self._workspace}"

    async def advance(self) -> None:
        try:
            data = await database_sync_to_async(self._read)()
        except ServiceError:  # it was given to somebody else, or is gone
            await self.close(code=REFUSED)
            return
        await self.send_json({"type": "data", "data": data})

    def _read(self) -> dict[str, Any]:
        workspace = selectors.workspace_get(
            viewer=self.viewer, workspace_id=self._workspace, include_deleted=True
        )
        return workspace_json(workspace, timezone.now())
