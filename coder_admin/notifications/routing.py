"""Websocket routes of notifications."""

from django.urls import path

from .consumers import InboxConsumer

websocket_urlpatterns = [path("api/v2/notifications/inbox/watch", InboxConsumer.as_asgi())]
