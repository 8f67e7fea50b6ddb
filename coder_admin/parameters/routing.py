"""Websocket routes of this room."""

from django.urls import path

from .consumers import ParametersConsumer

websocket_urlpatterns = [
    path("api/v2/templateversions/<str:version>/dynamic-parameters", ParametersConsumer.as_asgi()),
]
