"""Every address of the application."""

from django.contrib import admin
from django.urls import include, path

from coder_admin.api.system import docs
from coder_admin.dashboard.views import oidc

urlpatterns = [
    path("api/docs", docs, name="api-docs"),
    path("api/v2/", include("coder_admin.api.urls")),
    # Without a namespace: django-allauth looks these names up.
    path("login/<slug:provider_id>", oidc.start, name="openid_connect_login"),
    path("login/<slug:provider_id>/callback", oidc.callback, name="openid_connect_callback"),
    path("admin/", admin.site.urls),
    path("", include("coder_admin.operations.urls")),
    path("", include("coder_admin.dashboard.urls")),
]

handler400 = "coder_admin.dashboard.errors.bad_request"
handler403 = "coder_admin.dashboard.errors.forbidden"
handler404 = "coder_admin.dashboard.errors.not_found"
handler500 = "coder_admin.dashboard.errors.server_error"
