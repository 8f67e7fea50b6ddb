"""Routes of this room below ``/api/v2``."""

from django.urls import path

from .api import EvaluateView, SocketView

urlpatterns = [
    path("templateversions/<str:version>/dynamic-parameters", SocketView.as_view()),
    path("templateversions/<str:version>/dynamic-parameters/evaluate", EvaluateView.as_view()),
]
