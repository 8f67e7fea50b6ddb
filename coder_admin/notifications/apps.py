"""The app's registration with Django."""

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "coder_admin.notifications"
    label = "notifications"
