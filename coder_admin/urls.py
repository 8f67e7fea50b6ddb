"""Every address of the application."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("api/v2/", include("coder_admin.api.urls")),
    path("admin/", admin.site.urls),
    path("", include("coder_admin.operations.urls")),
    path("", include("coder_admin.dashboard.urls")),
]
