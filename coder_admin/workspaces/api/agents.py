"""`/workspaceagents/{id}`: what people read of agents."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import HttpResponseBase
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from coder_admin.organizations.logins import request_login
from rbac.model import Subject
from rbac.rest import ApiView

from .. import selectors
from ..streams import AnyContent, data_stream, streamed
from .forms import line_bounds
from .present import agent_json, agent_logs_json, metadatum_json


class AgentView(ApiView):
    """One agent."""

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, agent_id: uuid.UUID) -> Response:
        agent = selectors.agent_get(viewer=self.actor, agent_id=agent_id)
        return Response(agent_json(agent, timezone.now()))


class AgentLogsView(ApiView):
    """The log of its scripts; with `follow` the same address is a websocket."""

    @extend_schema(
        parameters=[OpenApiParameter("after", int), OpenApiParameter("before", int)],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, agent_id: uuid.UUID) -> Response:
        agent = selectors.agent_get(viewer=self.actor, agent_id=agent_id)
        after, before = line_bounds(request.query_params)
        return Response(agent_logs_json(selectors.agent_logs(agent, after=after, before=before)))


class ConnectionView(ApiView):
    """How to reach the agent over the relay network: there is none, agents call the server only."""

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, agent_id: uuid.UUID) -> Response:
        selectors.agent_get(viewer=self.actor, agent_id=agent_id)
        return Response(
            {
                "derp_map": None,
                "derp_force_websockets": False,
                "disable_direct_connections": True,
                "hostname_suffix": "",
            }
        )


class ListeningPortsView(ApiView):
    """Ports on which processes of the workspace listen, as of the agent's last report."""

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, agent_id: uuid.UUID) -> Response:
        agent = selectors.agent_get(viewer=self.actor, agent_id=agent_id)
        return Response({"ports": selectors.listening_ports(agent)})


class ContainersView(ApiView):
    """Containers inside the workspace; agents of this deployment run none."""

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, agent_id: uuid.UUID) -> Response:
        selectors.agent_get(viewer=self.actor, agent_id=agent_id)
        return Response({"devcontainers": [], "containers": [], "warnings": []})


class WatchMetadataView(ApiView):
    """The agent's metadata as server-sent events: now, and again when values change."""

    content_negotiation_class = AnyContent

    @extend_schema(responses={(200, "text/event-stream"): OpenApiTypes.STR})
    def get(self, request: Request, agent_id: uuid.UUID) -> HttpResponseBase:
        def read(viewer: Subject) -> list[dict[str, Any]]:
            agent = selectors.agent_get(viewer=viewer, agent_id=agent_id)
            now = timezone.now()
            return [metadatum_json(row, now) for row in selectors.agent_metadata(agent)]

        read(self.actor)  # a refusal is an ordinary answer, before the stream begins
        login = request_login(request)
        return streamed(data_stream(f"agent-metadata:{agent_id}", read, viewer_id=self.actor.id, login=login))
