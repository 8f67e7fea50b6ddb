"""Websocket routes of workspaces."""

from django.urls import path

from .consumers import AgentLogsConsumer, BuildLogsConsumer, DryRunLogsConsumer, WorkspaceConsumer

websocket_urlpatterns = [
    path("api/v2/workspacebuilds/<uuid:build_id>/logs", BuildLogsConsumer.as_asgi()),
    path("api/v2/templateversions/<str:version>/dry-run/<str:job>/logs", DryRunLogsConsumer.as_asgi()),
    path("api/v2/workspaceagents/<uuid:agent_id>/logs", AgentLogsConsumer.as_asgi()),
    path("api/v2/workspaces/<uuid:workspace_id>/watch-ws", WorkspaceConsumer.as_asgi()),
]
