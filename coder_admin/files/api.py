"""``/files``: upload and download of template archives (notifications-agents-provisioning.md section 5)."""

from __future__ import annotations

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import UserRateThrottle

from coder_admin.foundation.errors import Invalid
from rbac.rest import ApiView

from .archives import DEFAULT_LIMITS, to_zip
from .selectors import file_get
from .services import file_store, too_large


class UploadThrottle(UserRateThrottle):
    """Twelve uploads a minute for a user, or for an address without one."""

    scope = "file_upload"
    rate = "12/min"


class UploadView(ApiView):
    """``POST /files`` with the archive as the body."""

    throttle_classes = (UploadThrottle,)

    @extend_schema(
        operation_id="upload_file",
        request={"application/x-tar": OpenApiTypes.BINARY, "application/zip": OpenApiTypes.BINARY},
        responses={201: OpenApiTypes.OBJECT, 200: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request) -> Response:
        """Upload a tar or zip; ``hash`` in the answer is the file's id."""
        file, is_new = file_store(
            actor=self.actor, data=_body(request), content_type=request.headers.get("Content-Type", "")
        )
        return Response({"hash": str(file.id)}, status=201 if is_new else 200)


def _body(request: Request) -> bytes:
    """The raw body up to the limit, read as a stream: Django's form limits do not fit archives."""
    limit = DEFAULT_LIMITS.packed
    length = request.headers.get("Content-Length", "")
    if length.isascii() and length.isdigit() and int(length) > limit:
        raise too_large()
    try:
        data: bytes = request._request.read(limit + 1)
    except OSError as problem:
        raise Invalid("The body could not be read.", detail=f"{problem}. Send it again.") from None
    if len(data) > limit:
        raise too_large()
    return data


class DownloadView(ApiView):
    """``GET /files/{id}``."""

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[BaseRenderer, str]:
        """JSON for errors only: ``?format=`` speaks of the archive, not of a renderer."""
        return JSONRenderer(), JSONRenderer.media_type

    @extend_schema(
        operation_id="download_file",
        parameters=[OpenApiParameter("format", str, description="`zip` converts the stored tar")],
        responses={(200, "application/x-tar"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, file_id: str) -> HttpResponse:
        """The stored archive, as a tar or with ``?format=zip`` as a zip."""
        file = file_get(viewer=self.actor, file_id=file_id)
        wish = request.query_params.get("format", "")
        if wish not in ("", "zip"):
            raise Invalid(
                "Only conversion to a ZIP archive is supported.", detail=f"Got format={wish[:40]!r}."
            )
        data = bytes(file.data)
        if wish == "zip":
            return HttpResponse(to_zip(data), content_type="application/zip")
        return HttpResponse(data, content_type=file.mimetype)
