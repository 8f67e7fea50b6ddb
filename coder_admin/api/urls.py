"""The routes of `/api/v2`: each room brings its own."""

from __future__ import annotations

from importlib.util import find_spec

from django.urls import URLPattern, URLResolver, include, path, re_path

from .authcheck import AuthCheckView
from .csp import CspReportView
from .system import BuildInfoView, UnknownRouteView, openapi

ROOMS = (
    "coder_admin.organizations",
    "coder_admin.audit",
    "coder_admin.notifications",
    "coder_admin.files",
    "coder_admin.provisioning",
    "coder_admin.catalog",
    "coder_admin.parameters",
    "coder_admin.workspaces",
    "prebuilds",
)

urlpatterns: list[URLPattern | URLResolver] = [
    path("csp/reports", CspReportView.as_view()),
    path("buildinfo", BuildInfoView.as_view()),
    path("authcheck", AuthCheckView.as_view()),
    path("openapi.json", openapi, name="openapi"),
    *(path("", include(f"{room}.api_urls")) for room in ROOMS if find_spec(f"{room}.api_urls")),
    re_path("", UnknownRouteView.as_view()),
]
