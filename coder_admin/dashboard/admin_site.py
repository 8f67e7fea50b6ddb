"""Django's admin, opened by the policy."""

from django.contrib.admin import AdminSite


class PolicyAdminSite(AdminSite):
    site_header = "Coder Admin"
