"""The app's registration with Django."""

from django.apps import AppConfig


class PrebuildsConfig(AppConfig):
    name = "prebuilds"
    label = "prebuilds"
