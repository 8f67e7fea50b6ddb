"""The app's registration with Django."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "coder_admin.api"
    label = "api"
