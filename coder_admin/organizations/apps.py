"""The app's registration with Django."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class OrganizationsConfig(AppConfig):
    name = "coder_admin.organizations"
    label = "organizations"

    def ready(self) -> None:
        """Have the system's own rows made after every migration; tell the policy who a user is."""
        from rbac.django import register_subject_loader

        from .seed import ensure_system_rows
        from .subjects import load_subject

        register_subject_loader(load_subject)
        post_migrate.connect(ensure_system_rows, sender=self, dispatch_uid="organizations.seed")
