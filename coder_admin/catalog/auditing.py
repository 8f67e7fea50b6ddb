"""Which fields of templates and versions the audit trail shows."""

from typing import Final

from coder_admin.audit.diffs import Tracked

TEMPLATE_FIELDS: Final = Tracked(
    track=(
        "name",
        "display_name",
        "description",
        "icon",
        "active_version_id",
        "deleted",
        "deprecation_message",
        "default_ttl_ms",
        "max_ttl_ms",
        "activity_bump_ms",
        "allow_user_autostart",
        "allow_user_autostop",
        "allow_user_cancel_workspace_jobs",
        "autostart_days_of_week",
        "failure_ttl_ms",
        "time_til_dormant_ms",
        "time_til_dormant_autodelete_ms",
        "require_active_version",
        "use_classic_parameter_flow",
    )
)
VERSION_FIELDS: Final = Tracked(track=("template_id", "name", "message", "archived"))
