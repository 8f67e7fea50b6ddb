"""Every error of the API in one shape."""

from __future__ import annotations

from typing import Any

from rest_framework.response import Response
from rest_framework.views import exception_handler

from coder_admin.foundation.errors import ServiceError


def handle_exception(error: Exception, context: dict[str, Any]) -> Response | None:
    """``{"message", "detail", "validations"}`` with the error's own status."""
    if isinstance(error, ServiceError):
        body = {
            "message": error.message,
            "detail": error.detail,
            "validations": [{"field": v.field, "detail": v.detail} for v in error.validations],
        }
        return Response(body, status=error.status)
    return exception_handler(error, context)
