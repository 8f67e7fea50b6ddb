"""`POST /csp/reports`: browsers tell what the content security policy stopped; the log keeps it."""

from __future__ import annotations

from typing import Any

import structlog
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from coder_admin.foundation.counters import count_hit
from coder_admin.foundation.errors import TooManyRequests
from rbac.rest import PublicApiView

from .parsing import BodyParser

log = structlog.get_logger(__name__)

REPORTS_PER_MINUTE = 60
_FIELDS = ("document-uri", "blocked-uri", "violated-directive", "effective-directive", "source-file")
_LENGTH = 300


class ReportParser(BodyParser):
    """What browsers name the body."""

    media_type = "application/csp-report"


class CspReportView(PublicApiView):
    """Anybody's browser may report, without login; the log is kept from flooding."""

    authentication_classes = ()
    parser_classes = (ReportParser, BodyParser)

    @extend_schema(request={"application/csp-report": {"type": "object"}}, responses={200: None})
    def post(self, request: Request) -> Response:
        if count_hit("csp-reports", seconds=60) > REPORTS_PER_MINUTE:
            raise TooManyRequests("Too many reports.", detail="Send the next one in a minute.")
        body: Any = request.data
        report = body.get("csp-report", body) if isinstance(body, dict) else {}
        if isinstance(report, dict):
            told = {key.replace("-", "_"): str(report[key])[:_LENGTH] for key in _FIELDS if key in report}
            log.warning("content security policy violated", **told)
        return Response({"message": "ok"})
