"""The app's registration with Django."""

from django.apps import AppConfig


class ParametersConfig(AppConfig):
    name = "coder_admin.parameters"
    label = "parameters"
