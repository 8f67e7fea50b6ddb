"""The base of every REST view: who asks, the body as it must be, a page of a list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from coder_admin.foundation.pagination import page_of
from rbac.django import subject_for
from rbac.model import Subject
from rbac.openapi import ApiSchema

M = TypeVar("M", bound=Model)


class ActorMixin:
    """Gives a view the Subject on whose behalf it works."""

    request: Any

    @property
    def actor(self) -> Subject:
        """Who asks; a subject without rights when nobody is logged in."""
        return subject_for(self.request.user)


class ApiView(ActorMixin, APIView):
    """A view that wants a logged-in caller (the default permission) and calls one service or selector."""

    request: Request
    schema = ApiSchema()

    def parse(self, serializer: type[BaseSerializer[Any]]) -> dict[str, Any]:
        """The request's body as `serializer` validates it; its errors become one 400 with validations."""
        form = serializer(data=self.request.data)
        form.is_valid(raise_exception=True)
        data: dict[str, Any] = form.validated_data
        return data

    def page(self, name: str, rows: QuerySet[M], present: Callable[[list[M]], Any]) -> dict[str, Any]:
        """`{name: [...], "count": n}` for the slice that the query string asks for; `present` gets the
        whole slice at once, so that it can look up related things in bulk."""
        page = page_of(self.request.query_params, rows)
        return {name: present(page.items), "count": page.count}


class PublicApiView(ApiView):
    """A view that anybody may call, because it says so itself."""

    permission_classes = (AllowAny,)
