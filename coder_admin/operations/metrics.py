"""``/metrics``: one registry of our own, open to whoever may read deployment statistics."""

from __future__ import annotations

import hmac

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    PROCESS_COLLECTOR,
    REGISTRY,
    CollectorRegistry,
    generate_latest,
)

from coder_admin.operations.process_figures import ProcessFigures
from coder_admin.organizations.authentication import user_of
from prebuilds.metrics import CACHE, keep_fresh, register_collectors
from rbac.django import may, subject_for
from rbac.model import Action, RbacObject, ResourceType

registry = CollectorRegistry(auto_describe=False)
register_collectors(registry)
# The process's own figures and django-prometheus's, beside ours (design, trap 5).
REGISTRY.unregister(PROCESS_COLLECTOR)
registry.register(REGISTRY)
registry.register(ProcessFigures(PROCESS_COLLECTOR))


@require_GET
def metrics(request: HttpRequest) -> HttpResponse:
    """All series as text. Reads caches only: a scrape costs no query of the pools."""
    if not _may_read(request):
        return HttpResponse(
            "Metrics need a user who may read deployment statistics, "
            "or the token of CODER_ADMIN_METRICS_TOKEN.\n",
            status=401,
            content_type="text/plain; charset=utf-8",
            headers={"WWW-Authenticate": "Bearer"},
        )
    if settings.METRICS_REFRESHED_ON_DEMAND:
        keep_fresh()
    return HttpResponse(CACHE.text() + generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _may_read(request: HttpRequest) -> bool:
    if settings.METRICS_OPEN:
        return True
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and settings.METRICS_TOKEN:
        return hmac.compare_digest(token.encode(), settings.METRICS_TOKEN.encode())
    user = user_of(request)
    return user is not None and may(subject_for(user), Action.READ, RbacObject(ResourceType.DEPLOYMENT_STATS))
