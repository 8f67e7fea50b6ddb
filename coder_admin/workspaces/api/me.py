"""`/workspaceagents/me/…`: what agents call, each by its own token."""

from __future__ import annotations

from typing import Any, cast

from django.http import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from coder_admin.foundation.errors import Conflict

from .. import agent_reports, agents
from ..agent_logs import LogLine
from ..models import WorkspaceAgent
from ..reinit import claim_state, reinit_stream
from ..streams import AnyContent, streamed
from .forms import AppHealths, Lifecycle, Logs, LogSource, Metadata, ScriptTimings, Startup, Stats
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


class StatsView(AgentApiView):
    """Connections and sessions; the answer says when to report again (nanoseconds, as Coder's)."""

    def post(self, request: Request) -> Response:
        data = self.parse(Stats)
        agent_reports.agent_stats(agent=self.agent, **data)
        return Response({"report_interval": agent_reports.REPORT_INTERVAL_SECONDS * 10**9})


class MetadataView(AgentApiView):
    def post(self, request: Request) -> Response:
        data = self.parse(Metadata)
        agent_reports.agent_metadata(
            agent=self.agent, values=[agent_reports.Measured(**item) for item in data["metadata"]]
        )
        return Response(status=204)


class AppHealthView(AgentApiView):
    def post(self, request: Request) -> Response:
        data = self.parse(AppHealths)
        agent_reports.agent_app_health(agent=self.agent, healths=data["healths"])
        return Response(status=200)


class ScriptTimingsView(AgentApiView):
    def post(self, request: Request) -> Response:
        data = self.parse(ScriptTimings)
        agent_reports.agent_script_timings(
            agent=self.agent, runs=[agent_reports.ScriptRun(**item) for item in data["timings"]]
        )
        return Response(status=204)


class ReinitView(AgentApiView):
    """Held open until the claim; 409 tells the agent of a workspace that will never be claimed to stop."""

    content_negotiation_class = AnyContent

    def get(self, request: Request) -> HttpResponseBase:
        workspace = agents.workspace_of(self.agent)
        answer, _ = claim_state(workspace.id)
        if not answer.possible:
            raise Conflict(
                "This workspace is not a prebuild that could be claimed.",
                detail="There is no need to ask again.",
            )
        return streamed(reinit_stream(workspace.id, token=str(self.agent.auth_token)))
