"""``POST /templateversions/{version}/dynamic-parameters/evaluate`` (reference dynamic-parameters 2.5)."""

from __future__ import annotations

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from coder_admin.catalog.selectors import version_get
from coder_admin.foundation.errors import Invalid
from coder_admin.parameters.form import FormSession
from coder_admin.parameters.protocol import NIL, FrameError, parse_request
from coder_admin.parameters.renderer import prepare
from rbac.rest import ApiView


class EvaluateView(ApiView):
    @extend_schema(
        operation_id="evaluate_dynamic_parameters", request=OpenApiTypes.OBJECT, responses=OpenApiTypes.OBJECT
    )
    def post(self, request: Request, version: str) -> Response:
        """Render the form once. The owner is taken as given: without ``owner_id`` there is none."""
        found = version_get(viewer=self.actor, version_id=version)
        try:
            asked = parse_request(request.data)
        except FrameError as problem:
            raise Invalid("The request could not be read.", detail=str(problem)) from None
        session = FormSession(renderer=prepare(found), viewer=self.actor, owner_id=asked.owner_id or NIL)
        try:
            return Response({**session.answer(asked), "id": 0})
        finally:
            session.close()
