"""The app's registration with Django."""

from django.apps import AppConfig


class ParametersConfig(AppConfig):
    name = "coder_admin.parameters"
    label = "parameters"

    def ready(self) -> None:
        """Workers of this process can import templates."""
        from .importing import register_import_handler

        register_import_handler()
