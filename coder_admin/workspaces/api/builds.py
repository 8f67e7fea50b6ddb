"""`/workspaces/{id}/builds` and `/workspacebuilds/{id}`."""

from __future__ import annotations

import base64
import binascii
import uuid

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from coder_admin.foundation.errors import Invalid, NotFound, Validation
from coder_admin.foundation.pagination import page_of
from coder_admin.provisioning.selectors import job_logs, log_bounds, log_json
from rbac.rest import ApiView

from .. import selectors, services
from .forms import CreateBuild, optional_id, parameters_of
from .present import build_json, builds_json, resource_json, timings_json


class BuildsView(ApiView):
    """A workspace's builds, newest first; begin another."""

    @extend_schema(
        parameters=[OpenApiParameter("limit", int), OpenApiParameter("offset", int)],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, workspace_id: uuid.UUID) -> Response:
        workspace = selectors.workspace_get(
            viewer=self.actor, workspace_id=workspace_id, include_deleted=True
        )
        now = timezone.now()
        page = page_of(request.query_params, selectors.builds(viewer=self.actor, workspace=workspace))
        return Response(builds_json(page.items, now))

    @extend_schema(request=CreateBuild, responses={201: OpenApiTypes.OBJECT})
    def post(self, request: Request, workspace_id: uuid.UUID) -> Response:
        data = self.parse(CreateBuild)
        workspace = selectors.workspace_get(viewer=self.actor, workspace_id=workspace_id)
        begun = services.build_begin(
            actor=self.actor,
            workspace=workspace,
            transition=data["transition"],
            version_id=optional_id(data, "template_version_id"),
            preset_id=optional_id(data, "template_version_preset_id"),
            parameters=parameters_of(data),
            orphan=data["orphan"],
            state=_state(data.get("state")),
            log_level=data.get("log_level", ""),
            reason=data.get("reason", "initiator"),
        )
        build = selectors.build_get(viewer=self.actor, build_id=begun.id)
        return Response(build_json(build, timezone.now()), status=201)


class BuildView(ApiView):
    """One build with its resources and agents."""

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, build_id: uuid.UUID) -> Response:
        build = selectors.build_get(viewer=self.actor, build_id=build_id)
        return Response(build_json(build, timezone.now()))


class CancelBuildView(ApiView):
    """Ask a build to end; `expect_status` guards against canceling another state than the one seen."""

    @extend_schema(
        request=None, parameters=[OpenApiParameter("expect_status", str)], responses=OpenApiTypes.OBJECT
    )
    def patch(self, request: Request, build_id: uuid.UUID) -> Response:
        build = selectors.build_get(viewer=self.actor, build_id=build_id)
        services.build_cancel(
            actor=self.actor, build_=build, expect_status=request.query_params.get("expect_status", "")
        )
        return Response({"message": "Job has been marked as canceled…", "detail": "", "validations": []})


class BuildLogsView(ApiView):
    """The build's log; with `follow` the same address is a websocket."""

    @extend_schema(
        parameters=[OpenApiParameter("after", int), OpenApiParameter("before", int)],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, build_id: uuid.UUID) -> Response:
        build = selectors.build_get(viewer=self.actor, build_id=build_id)
        after, before = log_bounds(request.query_params)
        return Response([log_json(line) for line in job_logs(build.job_id, after=after, before=before)])


class BuildParametersView(ApiView):
    """The values the build was made with."""

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, build_id: uuid.UUID) -> Response:
        build = selectors.build_get(viewer=self.actor, build_id=build_id)
        return Response([{"name": p.name, "value": p.value} for p in build.parameters.all()])


class BuildResourcesView(ApiView):
    """The resources the build left."""

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, build_id: uuid.UUID) -> Response:
        build = selectors.build_get(viewer=self.actor, build_id=build_id)
        now = timezone.now()
        return Response([resource_json(resource, build, now) for resource in build.resources.all()])


class BuildStateView(ApiView):
    """The engine's state, secrets and all: for those who manage the template only."""

    @extend_schema(responses={(200, "application/json"): OpenApiTypes.BINARY})
    def get(self, request: Request, build_id: uuid.UUID) -> HttpResponse:
        build = selectors.build_get(viewer=self.actor, build_id=build_id)
        return HttpResponse(
            selectors.build_state(viewer=self.actor, build=build), content_type="application/json"
        )


class BuildTimingsView(ApiView):
    """How long the stages of the build's job took, and after it the agents' connections and scripts."""

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, build_id: uuid.UUID) -> Response:
        build = selectors.build_get(viewer=self.actor, build_id=build_id)
        return Response(timings_json(build, selectors.script_timings(build)))


class WorkspaceTimingsView(ApiView):
    """The timings of the workspace's latest build."""

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, workspace_id: uuid.UUID) -> Response:
        workspace = selectors.workspace_get(viewer=self.actor, workspace_id=workspace_id)
        if workspace.latest_build_id is None:
            raise NotFound
        build = selectors.build_get(viewer=self.actor, build_id=workspace.latest_build_id)
        return Response(timings_json(build, selectors.script_timings(build)))


def _state(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise Invalid(
            "The state cannot be read.", validations=[Validation("state", "Give it base64 encoded.")]
        ) from error
