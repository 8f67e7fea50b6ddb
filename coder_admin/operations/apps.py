"""The app's registration with Django."""

from django.apps import AppConfig


class OperationsConfig(AppConfig):
    name = "coder_admin.operations"
    label = "operations"
