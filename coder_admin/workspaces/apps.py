"""The app's registration with Django."""

from django.apps import AppConfig


class WorkspacesConfig(AppConfig):
    name = "coder_admin.workspaces"
    label = "workspaces"

    def ready(self) -> None:
        """Say who does the work of builds, who brings agents back, and what keeps an owner from deletion."""
        from coder_admin.catalog.guards import (
            register_owner_lister,
            register_policy_listener,
            register_workspace_counter,
        )
        from coder_admin.organizations.dependents import (
            register_organization_dependents,
            register_user_dependents,
        )
        from coder_admin.organizations.models import PREBUILDS_USER_ID
        from coder_admin.provisioning.choices import JobType
        from coder_admin.provisioning.handlers import register
        from coder_admin.provisioning.selectors import register_describer
        from coder_admin.provisioning.worker import on_look, on_start, on_stop

        from . import notices
        from .build_job import BuildHandler
        from .dry_run_job import DryRunHandler
        from .message_kinds import register_kinds
        from .messages import happened
        from .models import Workspace
        from .processes import look, restore, stop_all
        from .reports import register_report
        from .scheduling import follow_policy
        from .selectors import dry_run_purposes, job_purposes

        register(JobType.WORKSPACE_BUILD, BuildHandler(), local=True)
        register_describer(JobType.WORKSPACE_BUILD, job_purposes)
        register(JobType.TEMPLATE_VERSION_DRY_RUN, DryRunHandler())
        register_describer(JobType.TEMPLATE_VERSION_DRY_RUN, dry_run_purposes)
        on_start(restore)
        on_look(look)
        on_stop(stop_all)
        live = Workspace.objects.filter(deleted=False)
        register_organization_dependents("workspaces", lambda org: live.filter(organization_id=org).count())
        people = live.exclude(owner_id=PREBUILDS_USER_ID)
        register_workspace_counter(lambda template: people.filter(template_id=template).count())
        register_policy_listener(follow_policy)
        register_owner_lister(
            lambda template: people.filter(template_id=template).values_list("owner_id", flat=True).distinct()
        )
        register_kinds()
        register_report()
        notices.register(happened)
        register_user_dependents("workspaces", lambda owner: live.filter(owner_id=owner).count())
