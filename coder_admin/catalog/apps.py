"""The app's registration with Django."""

from django.apps import AppConfig


class CatalogConfig(AppConfig):
    name = "coder_admin.catalog"
    label = "catalog"

    def ready(self) -> None:
        """Who manages a template may read its files; an organization with live templates stays."""
        from coder_admin.files.selectors import register_granter
        from coder_admin.organizations.dependents import register_organization_dependents
        from coder_admin.provisioning.choices import JobType
        from coder_admin.provisioning.selectors import register_describer

        from .models import Template
        from .notices import register_kinds
        from .selectors import import_purposes, may_read_file

        register_kinds()
        register_granter(may_read_file)
        register_describer(JobType.TEMPLATE_VERSION_IMPORT, import_purposes)
        register_organization_dependents(
            "templates", lambda org: Template.objects.filter(organization_id=org, deleted=False).count()
        )
