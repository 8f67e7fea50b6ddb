"""Routes of this room under /api/v2."""

from django.urls import path

from . import api

urlpatterns = [
    path("organizations/<str:organization>/provisionerjobs", api.ProvisionerJobsView.as_view()),
    path("organizations/<str:organization>/provisionerjobs/<uuid:job>", api.ProvisionerJobView.as_view()),
    path("organizations/<str:organization>/provisionerdaemons", api.ProvisionerDaemonsView.as_view()),
]
