"""Health and metrics."""

from django.urls import URLPattern, URLResolver, path

from .health import healthz, readyz
from .metrics import metrics

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
]
