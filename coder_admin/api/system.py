"""Build information, the documentation page, and the answer to addresses that do not exist."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.conf import settings
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView
from rest_framework.permissions import AllowAny
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
        raise NotFound(
            "Route not found.", detail=f"{request.method} {request.path} is no address of the API."
        )


class KeptSchemaGenerator(SchemaGenerator):
    """The document is the same for everybody and takes a while to make, so each process makes it once."""

    def get_schema(self, request: Request | None = None, public: bool = False) -> Any:
        return _kept_schema()


@cache
def _kept_schema() -> Any:
    return SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]


openapi = SpectacularJSONAPIView.as_view(
    permission_classes=[AllowAny], authentication_classes=[], generator_class=KeptSchemaGenerator
)
"""The OpenAPI document; it tells addresses and shapes, no data."""

docs = SpectacularSwaggerSplitView.as_view(
    permission_classes=[AllowAny],
    authentication_classes=[],
    url_name="openapi",
    template_name="api/docs.html",
)
"""The documentation page. Its script is a file of its own, so that the content security policy holds."""
