"""Routes of workspaces, builds and agents under `/api/v2`."""

from django.urls import path

from .api import agents, builds, clock, dry_runs, me, workspaces

ME = "workspaceagents/me/"
W = "workspaces/<uuid:workspace_id>/"
A = "workspaceagents/<uuid:agent_id>"
D = "templateversions/<str:version>/dry-run"

urlpatterns = [
    path("workspaces", workspaces.WorkspacesView.as_view()),
    path("workspaces/<uuid:workspace_id>", workspaces.WorkspaceView.as_view()),
    path(f"{W}acl", workspaces.AclView.as_view()),
    path(f"{W}builds", builds.BuildsView.as_view()),
    path(f"{W}timings", builds.WorkspaceTimingsView.as_view()),
    path(f"{W}autostart", clock.AutostartView.as_view()),
    path(f"{W}ttl", clock.TtlView.as_view()),
    path(f"{W}extend", clock.ExtendView.as_view()),
    path(f"{W}dormant", clock.DormantView.as_view()),
    path(f"{W}autoupdates", clock.AutoUpdatesView.as_view()),
    path(f"{W}favorite", clock.FavoriteView.as_view()),
    path(f"{W}usage", clock.UsageView.as_view()),
    path(f"{W}resolve-autostart", clock.ResolveAutostartView.as_view()),
    path(f"{W}watch", workspaces.WatchView.as_view()),
    path(
        "organizations/<str:organization>/members/<str:user>/workspaces",
        workspaces.CreateForMemberView.as_view(),
    ),
    path("users/<str:user>/autofill-parameters", workspaces.AutofillView.as_view()),
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
    path(D, dry_runs.CreateDryRunView.as_view()),
    path(f"{D}/<str:job>", dry_runs.DryRunView.as_view()),
    path(f"{D}/<str:job>/cancel", dry_runs.CancelDryRunView.as_view()),
    path(f"{D}/<str:job>/logs", dry_runs.DryRunLogsView.as_view()),
    path(f"{D}/<str:job>/matched-provisioners", dry_runs.DryRunMatchedProvisionersView.as_view()),
    path(f"{D}/<str:job>/resources", dry_runs.DryRunResourcesView.as_view()),
    path(f"{ME}manifest", me.ManifestView.as_view()),
    path(f"{ME}startup", me.StartupView.as_view()),
    path(f"{ME}lifecycle", me.LifecycleView.as_view()),
    path(f"{ME}heartbeat", me.HeartbeatView.as_view()),
    path(f"{ME}disconnect", me.DisconnectView.as_view()),
    path(f"{ME}log-source", me.LogSourceView.as_view()),
    path(f"{ME}logs", me.LogsView.as_view()),
    path(f"{ME}report-stats", me.StatsView.as_view()),
    path(f"{ME}metadata", me.MetadataView.as_view()),
    path(f"{ME}app-health", me.AppHealthView.as_view()),
    path(f"{ME}script-timings", me.ScriptTimingsView.as_view()),
    path(f"{ME}reinit", me.ReinitView.as_view()),
    path(A, agents.AgentView.as_view()),
    path(f"{A}/logs", agents.AgentLogsView.as_view()),
    path(f"{A}/connection", agents.ConnectionView.as_view()),
    path(f"{A}/listening-ports", agents.ListeningPortsView.as_view()),
    path(f"{A}/containers", agents.ContainersView.as_view()),
    path(f"{A}/watch-metadata", agents.WatchMetadataView.as_view()),
]
