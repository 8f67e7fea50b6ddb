"""`/workspaces/{id}/autostart`, `/ttl`, `/extend`, `/dormant` and what else its own clock and owner set."""

from __future__ import annotations

import uuid

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from rbac.django import require
from rbac.model import Action
from rbac.rest import ApiView

from .. import scheduling, selectors
from ..agent_reports import workspace_used
from ..models import Workspace
from .forms import Autostart, AutoUpdates, Dormant, Extend, Ttl, Usage
from .present import workspace_json


class _WorkspaceView(ApiView):
    def workspace(self, workspace_id: uuid.UUID) -> Workspace:
        return selectors.workspace_get(viewer=self.actor, workspace_id=workspace_id)


class AutostartView(_WorkspaceView):
    """When it starts by itself."""

    @extend_schema(request=Autostart, responses={204: None})
    def put(self, request: Request, workspace_id: uuid.UUID) -> Response:
        data = self.parse(Autostart)
        scheduling.workspace_set_autostart(
            actor=self.actor,
            workspace=self.workspace(workspace_id),
            schedule=(data.get("schedule") or "").strip(),
        )
        return Response(status=204)


class TtlView(_WorkspaceView):
    """How long a start lasts."""

    @extend_schema(request=Ttl, responses={204: None})
    def put(self, request: Request, workspace_id: uuid.UUID) -> Response:
        data = self.parse(Ttl)
        scheduling.workspace_set_ttl(
            actor=self.actor, workspace=self.workspace(workspace_id), ttl_ms=data["ttl_ms"] or None
        )
        return Response(status=204)


class ExtendView(_WorkspaceView):
    """Let it run longer."""

    @extend_schema(request=Extend, responses=OpenApiTypes.OBJECT)
    def put(self, request: Request, workspace_id: uuid.UUID) -> Response:
        data = self.parse(Extend)
        deadline = scheduling.workspace_extend(
            actor=self.actor, workspace=self.workspace(workspace_id), deadline=data["deadline"]
        )
        return Response({"message": f"Deadline updated to {deadline.isoformat()}."})


class DormantView(_WorkspaceView):
    """Put it to sleep or wake it; 304 when it is so already."""

    @extend_schema(request=Dormant, responses=OpenApiTypes.OBJECT)
    def put(self, request: Request, workspace_id: uuid.UUID) -> Response:
        data = self.parse(Dormant)
        changed = scheduling.workspace_set_dormant(
            actor=self.actor, workspace=self.workspace(workspace_id), dormant=data["dormant"]
        )
        if not changed:
            return Response(status=304)
        return Response(workspace_json(self.workspace(workspace_id), timezone.now()))


class AutoUpdatesView(_WorkspaceView):
    """Whether each start takes the template's active version."""

    @extend_schema(request=AutoUpdates, responses={204: None})
    def put(self, request: Request, workspace_id: uuid.UUID) -> Response:
        data = self.parse(AutoUpdates)
        scheduling.workspace_set_automatic_updates(
            actor=self.actor,
            workspace=self.workspace(workspace_id),
            automatic_updates=data["automatic_updates"],
        )
        return Response(status=204)


class FavoriteView(_WorkspaceView):
    """The owner's mark."""

    @extend_schema(request=None, responses={204: None})
    def put(self, request: Request, workspace_id: uuid.UUID) -> Response:
        return self._set(workspace_id, favorite=True)

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request, workspace_id: uuid.UUID) -> Response:
        return self._set(workspace_id, favorite=False)

    def _set(self, workspace_id: uuid.UUID, *, favorite: bool) -> Response:
        scheduling.workspace_set_favorite(
            actor=self.actor, workspace=self.workspace(workspace_id), favorite=favorite
        )
        return Response(status=204)


class UsageView(_WorkspaceView):
    """A program says that somebody works in the workspace: used now, and its deadline moves."""

    @extend_schema(request=Usage, responses={204: None})
    def post(self, request: Request, workspace_id: uuid.UUID) -> Response:
        self.parse(Usage)
        workspace = self.workspace(workspace_id)
        require(self.actor, Action.UPDATE, workspace)
        workspace_used(workspace=workspace, now=timezone.now())
        return Response(status=204)


class ResolveAutostartView(_WorkspaceView):
    """Whether the next automatic start would fail for want of parameters."""

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, workspace_id: uuid.UUID) -> Response:
        mismatch = selectors.parameters_mismatch(viewer=self.actor, workspace=self.workspace(workspace_id))
        return Response({"parameter_mismatch": mismatch})
