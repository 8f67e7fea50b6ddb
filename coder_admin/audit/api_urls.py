"""This room's part of `/api/v2`."""

from django.urls import path

from .api import AuditView

urlpatterns = [path("audit", AuditView.as_view())]
