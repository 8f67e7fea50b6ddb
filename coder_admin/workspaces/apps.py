"""The app's registration with Django."""

from django.apps import AppConfig


class WorkspacesConfig(AppConfig):
    name = "coder_admin.workspaces"
    label = "workspaces"
