"""The pages' registration with Django, and the admin site that asks the policy."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class DashboardConfig(AppConfig):
    name = "coder_admin.dashboard"
    label = "dashboard"

    def ready(self) -> None:
        """Tell the audit trail where the pages of things are."""
        from .audit_links import register_links

        register_links()


class DashboardAdminConfig(AdminConfig):
    default_site = "coder_admin.dashboard.admin_site.PolicyAdminSite"
