"""The app's registration with Django."""

from django.apps import AppConfig


class CatalogConfig(AppConfig):
    name = "coder_admin.catalog"
    label = "catalog"

    def ready(self) -> None:
        """An organization with live templates cannot be deleted."""
        from coder_admin.organizations.dependents import register_organization_dependents

        from .models import Template

        register_organization_dependents(
            "templates", lambda org: Template.objects.filter(organization_id=org, deleted=False).count()
        )
