"""The pages of errors that no view answered itself."""

from __future__ import annotations

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from .http import draw_error


def _for_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """400: the request itself is broken."""
    detail = str(exception) if isinstance(exception, BadRequest) else ""
    if _for_api(request):
        return JsonResponse(
            {"message": "The request cannot be read.", "detail": detail, "validations": []}, status=400
        )
    return draw_error(request, 400, text="The address or the form was incomplete.", detail=detail)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """403: seen, but not allowed."""
    if _for_api(request):
        return JsonResponse({"message": "Forbidden.", "detail": "", "validations": []}, status=403)
    return draw_error(request, 403)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404: not there, or not for this viewer to know."""
    if _for_api(request):
        return JsonResponse(
            {
                "message": "Resource not found or you do not have access to this resource",
                "detail": "",
                "validations": [],
            },
            status=404,
        )
    return draw_error(request, 404)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: a form without a valid token, mostly one that was open for very long."""
    return draw_error(
        request,
        403,
        text="This form is no longer valid.",
        detail="Go back, reload the page and send it again. If that does not help, allow cookies here.",
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """500: drawn without a query, since the database may be what failed."""
    request_id = request.headers.get("X-Request-ID", "")
    if _for_api(request):
        return JsonResponse(
            {"message": "Internal error.", "detail": "See the server's log.", "validations": []}, status=500
        )
    try:
        return render(None, "500.html", {"request_id": request_id}, status=500)
    except Exception:
        return HttpResponse(render_to_string("500.html", {}), status=500)
