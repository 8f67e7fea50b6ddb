"""Dynamic parameters over HTTP: one evaluation, and the socket's address (reference dynamic-parameters 2)."""

from __future__ import annotations

import json
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from coder_admin.catalog.selectors import version_get
from coder_admin.foundation.errors import Invalid
from coder_admin.parameters.form import FormSession
from coder_admin.parameters.protocol import NIL, FrameError, owner_of_query, parse_request
from coder_admin.parameters.renderer import prepare
from rbac.rest import ApiView


class SocketView(ApiView):
    """The address of the websocket, asked without an upgrade."""

    @extend_schema(
        operation_id="watch_dynamic_parameters",
        parameters=[OpenApiParameter("user_id", OpenApiTypes.UUID)],
        responses={426: OpenApiTypes.OBJECT},
    )
    def get(self, request: Request, version: str) -> Response:
        """A websocket: the form of a version, rendered anew after each request (reference 2)."""
        owner_of_query(request.query_params.get("user_id", ""), default=UUID(self.actor.id))
        with prepare(version_get(viewer=self.actor, version_id=version)):
            pass
        body = {"message": "Failed to accept WebSocket.", "detail": "Ask for an upgrade to a websocket."}
        return Response(body, status=426, headers={"Upgrade": "websocket", "Connection": "Upgrade"})


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
            return Response({**json.loads(session.answer(asked)), "id": 0})
        finally:
            session.close()
