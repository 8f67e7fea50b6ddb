"""The app's registration with Django."""

from django.apps import AppConfig


class FoundationConfig(AppConfig):
    name = "coder_admin.foundation"
    label = "foundation"
