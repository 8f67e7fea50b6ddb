"""The app's registration with Django."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class OrganizationsConfig(AppConfig):
    name = "coder_admin.organizations"
    label = "organizations"

    def ready(self) -> None:
        """Have the system's own rows made after every migration."""
        from .seed import ensure_system_rows

        post_migrate.connect(ensure_system_rows, sender=self, dispatch_uid="organizations.seed")
