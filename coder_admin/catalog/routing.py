"""Websocket routes of this room."""

from django.urls import path

from .consumers import VersionLogConsumer

websocket_urlpatterns = [
    path("api/v2/templateversions/<str:version>/logs", VersionLogConsumer.as_asgi()),
]
