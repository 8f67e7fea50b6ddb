"""The app's registration with Django."""

from django.apps import AppConfig


class RbacConfig(AppConfig):
    name = "rbac"
    label = "rbac"
