"""Every error of the API in one shape: `{"message", "detail", "validations": [{"field", "detail"}]}`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig, TooManyFieldsSent
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from coder_admin.audit.context import current
from coder_admin.audit.refusals import record_refusal
from coder_admin.foundation.errors import NotFound, ServiceError
from rbac.django import subject_for
from rbac.policy import Denied

log = structlog.get_logger(__name__)


def handle_exception(error: Exception, context: dict[str, Any]) -> Response:
    """What a view raised, as the answer with the right status. What nobody expected is logged with its
    traceback and answered by 500 and the request's id, without a word of its inside."""
    set_rollback()
    match error:
        case ServiceError():
            _audit_refusal(error, context)
            fields = [{"field": v.field, "detail": v.detail} for v in error.validations]
            return _answer(error.status, error.message, error.detail, fields)
        case Denied() | Http404():
            # A denial nobody turned into a sentence must not tell that the object exists.
            return handle_exception(NotFound(), context)
        case PermissionDenied():
            return _answer(403, "You may not do this.")
        case RequestDataTooBig():
            limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
            return _answer(
                413, "The body is too large.", f"At most {limit} bytes: send it in several smaller requests."
            )
        case TooManyFieldsSent():
            limit = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
            return _answer(
                400, "The request has too many fields.", f"At most {limit}: send several smaller requests."
            )
        case exceptions.ValidationError():
            return _answer(400, "Validation failed.", "", list(_validations(error.detail)))
        case exceptions.APIException():
            return _of_framework(error)
    log.error("unexpected error in the API", exc_info=error, path=getattr(context.get("request"), "path", ""))
    return _answer(
        500,
        "An internal error happened.",
        f"Tell your administrator the request id {current().request_id}; the server's log has the cause.",
    )


def _audit_refusal(error: ServiceError, context: dict[str, Any]) -> None:
    """A change that was refused to somebody who may see the object is in the trail."""
    request = context.get("request")
    if error.status != 403 or request is None:
        return
    view = context.get("view")
    record_refusal(
        subject_for(request.user),
        method=str(request.method),
        path=request.path,
        kwargs=getattr(view, "kwargs", {}),
        message=error.message,
    )


def _of_framework(error: exceptions.APIException) -> Response:
    message = str(error.detail) if isinstance(error.detail, str) else "The request was refused."
    detail = ""
    if isinstance(error, exceptions.NotAuthenticated):
        message, detail = (
            "You are signed out or your session has expired.",
            "Log in and send the token again.",
        )
    response = _answer(error.status_code, message, detail)
    if getattr(error, "auth_header", None):
        response.headers["WWW-Authenticate"] = error.auth_header  # type: ignore[attr-defined]
    if getattr(error, "wait", None):
        response.headers["Retry-After"] = str(int(error.wait))  # type: ignore[attr-defined]
    return response


def _validations(detail: Any, path: str = "") -> Iterator[dict[str, str]]:
    """Nested serializer errors as flat `field.sub.0` entries."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            whole = name == "non_field_errors"
            yield from _validations(inner, path if whole else f"{path}.{name}" if path else str(name))
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            nested = isinstance(inner, dict | list)
            yield from _validations(inner, f"{path}.{index}" if nested else path)
    else:
        yield {"field": path or "body", "detail": str(detail)}


def _answer(
    status: int, message: str, detail: str = "", validations: list[dict[str, str]] | None = None
) -> Response:
    return Response({"message": message, "detail": detail, "validations": validations or []}, status=status)
