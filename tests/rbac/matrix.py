"""The E2 role table of reference/rbac-and-organizations.md, section 2.1, typed in by hand from the table,
not computed from the code under test. `*` = every legal action of the type.

A column is a role, split by the level at which the cell grants. A type that is absent grants nothing.
"""

CRUD = "create read update delete"
DORMANT = "create read update delete stop create_agent delete_agent"
ALL_BUT_EXEC = "create read update delete start stop create_agent delete_agent"

# Types on which owner, member (own) and organization-admin hold everything, row by row of the table.
_PLAIN = [
    "organization", "group", "group_member", "template", "file", "provisioner_daemon", "provisioner_jobs",
    "assign_org_role", "audit_log", "connection_log", "deployment_config", "deployment_stats",
    "idpsync_settings", "notification_message", "notification_template", "notification_preference",
    "inbox_notification", "webpush_subscription", "api_key", "workspace_proxy", "oauth2_app", "license",
    "crypto_key", "replicas", "debug_info", "tailnet_coordinator", "oauth2_app_secret",
    "oauth2_app_code_token", "system", "workspace_agent_resource_monitor", "workspace_agent_devcontainers",
]  # fmt: skip

SITE: dict[str, dict[str, str]] = {
    "owner": dict.fromkeys(_PLAIN, "*")
    | {
        "organization_member": "*",
        "user": "*",
        "assign_role": "*",
        "workspace": "*",
        "workspace_dormant": DORMANT,
        "prebuilt_workspace": "update delete",
    },
    "template-admin": {
        "organization": "read",
        "organization_member": "read",
        "group": "read",
        "group_member": "read",
        "user": "read",
        "template": "*",
        "file": "create read",
        "workspace": "read",
        "prebuilt_workspace": "update delete",
        "provisioner_daemon": CRUD,
        "assign_org_role": "read",
    },
    "user-admin": {
        "organization": "read",
        "organization_member": CRUD,
        "group": CRUD,
        "group_member": "read",
        "user": "*",
        "assign_role": "assign unassign read",
        "assign_org_role": "assign unassign read",
        "idpsync_settings": "read update",
    },
    "auditor": {
        "organization": "read",
        "organization_member": "read",
        "group": "read",
        "group_member": "read",
        "user": "read",
        "template": "read view_insights",
        "assign_org_role": "read",
        "audit_log": "read",
        "connection_log": "read",
        "deployment_config": "read",
        "deployment_stats": "read",
    },
    "member": {"assign_role": "read", "workspace_proxy": "read", "oauth2_app": "read"},
    "organization-admin": {"user": "read"},
    "organization-user-admin": {"user": "read"},
}

ORG: dict[str, dict[str, str]] = {
    "organization-admin": dict.fromkeys(_PLAIN, "*")
    | {
        "organization_member": "*",
        "user": "*",
        "usage_event": "*",
        "workspace": ALL_BUT_EXEC,
        "workspace_dormant": DORMANT,
        "prebuilt_workspace": "update delete",
    },
    "organization-member": {
        "organization": "read",
        "provisioner_daemon": "read",
        "assign_org_role": "read",
    },
    "organization-auditor": {
        "organization": "read",
        "organization_member": "read",
        "group": "read",
        "group_member": "read",
        "template": "read view_insights",
        "audit_log": "read",
        "connection_log": "read",
    },
    "organization-template-admin": {
        "organization": "read",
        "organization_member": "read",
        "group": "read",
        "group_member": "read",
        "template": "*",
        "file": "create read",
        "workspace": "read",
        "prebuilt_workspace": "update delete",
        "provisioner_daemon": CRUD,
        "provisioner_jobs": "read update create",
    },
    "organization-user-admin": {
        "organization": "read",
        "organization_member": CRUD,
        "group": CRUD,
        "group_member": "read",
        "assign_org_role": "assign unassign read",
        "idpsync_settings": "read update",
    },
    "organization-workspace-creation-ban": {},
}

ORG_BANS: dict[str, dict[str, str]] = {
    "organization-workspace-creation-ban": {"workspace": "create delete create_agent delete_agent"},
}

USER: dict[str, dict[str, str]] = {
    "member": dict.fromkeys(_PLAIN, "*")
    | {
        "user": "read read_personal update_personal",
        "organization_member": "read",
        "workspace": "*",
        "workspace_dormant": DORMANT,
        "assign_role": "*",
        "user_secret": "*",
        "usage_event": "*",
    },
}

SITE_ROLES = ["owner", "template-admin", "user-admin", "auditor", "member"]
ORG_ROLES = list(ORG)
