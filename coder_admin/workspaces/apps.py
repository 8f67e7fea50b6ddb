"""The app's registration with Django."""

from django.apps import AppConfig


class WorkspacesConfig(AppConfig):
    name = "coder_admin.workspaces"
    label = "workspaces"

    def ready(self) -> None:
        """Say who does the work of builds, and who brings agents back when a worker starts."""
        from coder_admin.provisioning.choices import JobType
        from coder_admin.provisioning.handlers import register
        from coder_admin.provisioning.worker import on_start

        from .build_job import BuildHandler
        from .processes import restore

        register(JobType.WORKSPACE_BUILD, BuildHandler())
        on_start(restore)
