"""Build information, health, and the answer to addresses that do not exist."""

from __future__ import annotations

from django.conf import settings
from django.db import connection
from django.db.utils import DatabaseError
from django.http import HttpRequest, HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from coder_admin.foundation.errors import NotFound
from rbac.rest import PublicApiView


class BuildInfoView(PublicApiView):
    """Which version answers, and under which address."""

    authentication_classes = ()

    @extend_schema(responses={200: dict})
    def get(self, request: Request) -> Response:
        return Response(
            {
                "version": f"v{settings.VERSION}",
                "external_url": settings.ACCESS_URL,
                "dashboard_url": settings.ACCESS_URL,
                "telemetry": False,
                "workspace_proxy": False,
            }
        )


@extend_schema(exclude=True)
class UnknownRouteView(PublicApiView):
    """404 in the API's own shape, for every method."""

    authentication_classes = ()

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        raise NotFound("Route not found.", detail=f"{request.method} {request.path} is no address of the API.")


def healthz(request: HttpRequest) -> HttpResponse:
    """200 "OK" while the database answers, else 503: for load balancers, without login."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return HttpResponse("database unavailable", status=503, content_type="text/plain")
    return HttpResponse("OK", content_type="text/plain")
