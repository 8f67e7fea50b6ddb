"""The app's registration with Django."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "coder_admin.audit"
    label = "audit"
