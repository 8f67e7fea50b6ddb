"""`/templateversions/{version}/dry-run`: plan a version with one's own values, and look at the outcome."""

from __future__ import annotations

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from coder_admin.catalog.selectors import version_get
from coder_admin.provisioning.presenting import jobs_json, workers_json
from coder_admin.provisioning.selectors import job_logs, log_bounds, log_json, matched_workers
from rbac.rest import ApiView

from .. import dry_runs
from ..models import DryRun
from .forms import CreateDryRun, parameters_of, variables_of


class CreateDryRunView(ApiView):
    @extend_schema(
        operation_id="create_template_version_dry_run",
        request=CreateDryRun,
        responses={201: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request, version: str) -> Response:
        """Plan a version as for a workspace of one's own; the answer is the job that does it."""
        found = version_get(viewer=self.actor, version_id=version)
        data = self.parse(CreateDryRun)
        made = dry_runs.dry_run_create(
            actor=self.actor,
            version=found,
            workspace_name=data.get("workspace_name") or "",
            parameters=parameters_of(data),
            variables=variables_of(data),
        )
        return Response(jobs_json([made.job])[0], status=201)


class _DryRunView(ApiView):
    """A view of one dry run."""

    def found(self, version: str, job: str) -> DryRun:
        return dry_runs.dry_run_get(viewer=self.actor, version_id=version, job_id=job)


class DryRunView(_DryRunView):
    @extend_schema(operation_id="get_template_version_dry_run", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, version: str, job: str) -> Response:
        """The job of a dry run."""
        return Response(jobs_json([self.found(version, job).job])[0])


class DryRunResourcesView(_DryRunView):
    @extend_schema(operation_id="list_template_version_dry_run_resources", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, version: str, job: str) -> Response:
        """The resources that a start would make, once the dry run has ended."""
        return Response(dry_runs.planned_resources(self.found(version, job)))


class DryRunLogsView(_DryRunView):
    @extend_schema(
        operation_id="list_template_version_dry_run_logs",
        parameters=[OpenApiParameter("after", int), OpenApiParameter("before", int)],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, version: str, job: str) -> Response:
        """The log of a dry run; with `follow` the same address is a websocket."""
        found = self.found(version, job)
        after, before = log_bounds(request.query_params)
        return Response([log_json(line) for line in job_logs(found.job_id, after=after, before=before)])


class DryRunMatchedProvisionersView(_DryRunView):
    @extend_schema(
        operation_id="get_template_version_dry_run_matched_provisioners", responses=OpenApiTypes.OBJECT
    )
    def get(self, request: Request, version: str, job: str) -> Response:
        """Which workers could take the dry run."""
        return Response(workers_json(matched_workers(self.found(version, job).job)))


class CancelDryRunView(_DryRunView):
    @extend_schema(
        operation_id="cancel_template_version_dry_run", request=None, responses=OpenApiTypes.OBJECT
    )
    def patch(self, request: Request, version: str, job: str) -> Response:
        """Cancel a dry run that has not ended."""
        dry_runs.dry_run_cancel(actor=self.actor, dry_run=self.found(version, job))
        return Response({"message": "Job has been marked as canceled.", "detail": "", "validations": []})
