"""REST: the jobs and workers of an organization. Thin: find, ask a selector, present."""

from __future__ import annotations

import uuid

from rest_framework.request import Request
from rest_framework.response import Response

from coder_admin.foundation.errors import NotFound
from coder_admin.foundation.pagination import bounds
from coder_admin.organizations.resolution import resolve_organization
from rbac.rest import ApiView

from . import presenting, selectors

DEFAULT_LIMIT = 50


class ProvisionerJobsView(ApiView):
    """GET: newest jobs; ``limit``, ``offset``, ``ids``, ``status``, ``tags``, ``initiator``."""

    def get(self, request: Request, organization: str) -> Response:
        found = resolve_organization(self.actor, organization)
        selectors.require_jobs_readable(self.actor, found.id)
        limit, offset = bounds(request.query_params, default=DEFAULT_LIMIT)
        rows = selectors.job_filter(request.query_params).apply(selectors.jobs(self.actor, found.id))
        return Response(presenting.jobs_json(list(rows[offset : offset + limit])))


class ProvisionerJobView(ApiView):
    """GET: one job."""

    def get(self, request: Request, organization: str, job: uuid.UUID) -> Response:
        found = resolve_organization(self.actor, organization)
        row = selectors.jobs(self.actor, found.id).filter(id=job).first()
        if row is None:
            raise NotFound()
        return Response(presenting.jobs_json([row])[0])


class ProvisionerDaemonsView(ApiView):
    """GET: the workers that serve the organization."""

    def get(self, request: Request, organization: str) -> Response:
        found = resolve_organization(self.actor, organization)
        views = selectors.daemons(self.actor, found.id)
        return Response([presenting.daemon_json(view, found.id) for view in views])
