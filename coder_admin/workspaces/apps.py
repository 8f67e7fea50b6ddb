"""The app's registration with Django."""

from django.apps import AppConfig


class WorkspacesConfig(AppConfig):
    name = "coder_admin.workspaces"
    label = "workspaces"

    def ready(self) -> None:
        """Neither an organization nor a user with live workspaces can be deleted."""
        from coder_admin.organizations.dependents import (
            register_organization_dependents,
            register_user_dependents,
        )

        from .models import Workspace

        live = Workspace.objects.filter(deleted=False)
        register_organization_dependents("workspaces", lambda org: live.filter(organization_id=org).count())
        register_user_dependents("workspaces", lambda owner: live.filter(owner_id=owner).count())
