"""`/workspaceagents/{id}`: what people read of agents."""

from __future__ import annotations

import uuid

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from rbac.rest import ApiView

from .. import selectors
from .forms import line_bounds
from .present import agent_json, agent_logs_json


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
