"""This room's part of `/api/v2`."""

from django.urls import path

from .api import AuditExportView, AuditView, ExampleView

urlpatterns = [
    path("audit", AuditView.as_view()),
    path("audit/export", AuditExportView.as_view()),
    path("audit/testgenerate", ExampleView.as_view()),
]
