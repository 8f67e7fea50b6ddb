"""The app's registration with Django."""

from django.apps import AppConfig


class CatalogConfig(AppConfig):
    name = "coder_admin.catalog"
    label = "catalog"

    def ready(self) -> None:
        """Who manages a template may read its files."""
        from coder_admin.files.selectors import register_granter

        from .selectors import may_read_file

        register_granter(may_read_file)
