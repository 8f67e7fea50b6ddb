"""Routes of this room below ``/api/v2``."""

from django.urls import path

from .api import EvaluateView

urlpatterns = [
    path("templateversions/<str:version>/dynamic-parameters/evaluate", EvaluateView.as_view()),
]
