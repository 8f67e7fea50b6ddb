"""The app's registration with Django."""

from django.apps import AppConfig


class OrganizationsConfig(AppConfig):
    name = "coder_admin.organizations"
    label = "organizations"
