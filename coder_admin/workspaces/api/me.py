"""`/workspaceagents/me/…`: what agents call, each by its own token."""

from __future__ import annotations

from typing import Any, cast

from django.http import HttpResponseBase, StreamingHttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.permissions import BasePermission
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from coder_admin.foundation.errors import Conflict

from .. import agents
from ..agent_logs import LogLine
from ..models import WorkspaceAgent
from ..reinit import claim_state, reinit_stream
from .forms import Lifecycle, Logs, LogSource, Startup
from .present import log_source_json

TOKEN_HEADER = "Coder-Session-Token"  # noqa: S105 - the header's name


class AgentAuthentication(BaseAuthentication):
    """The agent whose token the request carries; an unknown, old or foreign one is 401."""

    def authenticate(self, request: Request) -> tuple[None, WorkspaceAgent]:
        agent = agents.agent_by_token(request.headers.get(TOKEN_HEADER, ""))
        if agent is None:
            raise AuthenticationFailed("The agent token is not valid: it is unknown, or its build is over.")
        return None, agent

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class IsAgent(BasePermission):
    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.auth, WorkspaceAgent)


@extend_schema(exclude=True)
class AgentApiView(APIView):
    """A view for agents: no person's session opens it."""

    authentication_classes = (AgentAuthentication,)
    permission_classes = (IsAgent,)
    throttle_classes = ()

    @property
    def agent(self) -> WorkspaceAgent:
        return cast("WorkspaceAgent", self.request.auth)

    def parse(self, serializer: type[BaseSerializer[Any]]) -> dict[str, Any]:
        form = serializer(data=self.request.data)
        form.is_valid(raise_exception=True)
        data: dict[str, Any] = form.validated_data
        return data


class ManifestView(AgentApiView):
    def get(self, request: Request) -> Response:
        return Response(agents.manifest_of(self.agent))


class StartupView(AgentApiView):
    def post(self, request: Request) -> Response:
        data = self.parse(Startup)
        agents.agent_startup(
            agent=self.agent,
            version=data["version"],
            expanded_directory=data["expanded_directory"],
            subsystems=data.get("subsystems") or [],
        )
        return Response(status=204)


class LifecycleView(AgentApiView):
    def post(self, request: Request) -> Response:
        data = self.parse(Lifecycle)
        agents.agent_lifecycle(
            agent=self.agent,
            state=data["state"],
            changed_at=data.get("changed_at"),
            agent_id=data["agent_id"],
        )
        return Response(status=204)


class HeartbeatView(AgentApiView):
    def post(self, request: Request) -> Response:
        agents.agent_heartbeat(agent=self.agent)
        return Response(status=204)


class DisconnectView(AgentApiView):
    def post(self, request: Request) -> Response:
        agents.agent_disconnect(agent=self.agent)
        return Response(status=204)


class LogSourceView(AgentApiView):
    def post(self, request: Request) -> Response:
        data = self.parse(LogSource)
        source = agents.agent_log_source_create(
            agent=self.agent, source_id=data["id"], display_name=data["display_name"], icon=data["icon"]
        )
        return Response(log_source_json(source), status=201)


class LogsView(AgentApiView):
    def patch(self, request: Request) -> Response:
        data = self.parse(Logs)
        agents.agent_logs_append(
            agent=self.agent,
            log_source_id=data["log_source_id"],
            lines=[LogLine(line["created_at"], line["level"], line["output"]) for line in data["logs"]],
            run_id=data["run_id"],
            sequence=data["sequence"],
        )
        return Response({})


class _AnyContent(BaseContentNegotiation):
    """The stream is not JSON: take whatever the client says it accepts."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class ReinitView(AgentApiView):
    """Held open until the claim; 409 tells the agent of a workspace that will never be claimed to stop."""

    content_negotiation_class = _AnyContent

    def get(self, request: Request) -> HttpResponseBase:
        workspace = agents.workspace_of(self.agent)
        answer, _ = claim_state(workspace.id)
        if not answer.possible:
            raise Conflict(
                "This workspace is not a prebuild that could be claimed.",
                detail="There is no need to ask again.",
            )
        return StreamingHttpResponse(
            reinit_stream(workspace.id),
            content_type="text/event-stream",
            headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
        )
