"""The app's registration with Django."""

from django.apps import AppConfig


class CatalogConfig(AppConfig):
    name = "coder_admin.catalog"
    label = "catalog"
