"""Routes of workspaces, builds and agents under `/api/v2`."""

from django.urls import path

from .api import agents, builds, me, workspaces

ME = "workspaceagents/me/"

urlpatterns = [
    path("workspaces", workspaces.WorkspacesView.as_view()),
    path("workspaces/<uuid:workspace_id>", workspaces.WorkspaceView.as_view()),
    path("workspaces/<uuid:workspace_id>/acl", workspaces.AclView.as_view()),
    path("workspaces/<uuid:workspace_id>/builds", builds.BuildsView.as_view()),
    path(
        "organizations/<str:organization>/members/<str:user>/workspaces",
        workspaces.CreateForMemberView.as_view(),
    ),
    path("users/<str:user>/workspaces", workspaces.CreateForUserView.as_view()),
    path("users/<str:user>/workspace/<str:name>", workspaces.OwnedWorkspaceView.as_view()),
    path("users/<str:user>/workspace/<str:name>/builds/<int:number>", workspaces.OwnedBuildView.as_view()),
    path(
        "organizations/<str:organization>/members/<str:user>/workspace-quota",
        workspaces.QuotaView.as_view(),
    ),
    path("workspace-quota/<str:user>", workspaces.DefaultQuotaView.as_view()),
    path("workspacebuilds/<uuid:build_id>", builds.BuildView.as_view()),
    path("workspacebuilds/<uuid:build_id>/cancel", builds.CancelBuildView.as_view()),
    path("workspacebuilds/<uuid:build_id>/logs", builds.BuildLogsView.as_view()),
    path("workspacebuilds/<uuid:build_id>/parameters", builds.BuildParametersView.as_view()),
    path("workspacebuilds/<uuid:build_id>/resources", builds.BuildResourcesView.as_view()),
    path("workspacebuilds/<uuid:build_id>/state", builds.BuildStateView.as_view()),
    path("workspacebuilds/<uuid:build_id>/timings", builds.BuildTimingsView.as_view()),
    path(f"{ME}manifest", me.ManifestView.as_view()),
    path(f"{ME}startup", me.StartupView.as_view()),
    path(f"{ME}lifecycle", me.LifecycleView.as_view()),
    path(f"{ME}heartbeat", me.HeartbeatView.as_view()),
    path(f"{ME}disconnect", me.DisconnectView.as_view()),
    path(f"{ME}log-source", me.LogSourceView.as_view()),
    path(f"{ME}logs", me.LogsView.as_view()),
    path(f"{ME}reinit", me.ReinitView.as_view()),
    path("workspaceagents/<uuid:agent_id>", agents.AgentView.as_view()),
    path("workspaceagents/<uuid:agent_id>/logs", agents.AgentLogsView.as_view()),
]
