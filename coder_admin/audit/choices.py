"""What can be audited and how (reference/rbac-and-organizations.md section 6)."""

from django.db.models import TextChoices


class AuditedType(TextChoices):
    """`resource_type` of a row."""

    ORGANIZATION = "organization"
    TEMPLATE = "template"
    TEMPLATE_VERSION = "template_version"
    USER = "user"
    WORKSPACE = "workspace"
    GIT_SSH_KEY = "git_ssh_key"
    API_KEY = "api_key"
    GROUP = "group"
    WORKSPACE_BUILD = "workspace_build"
    LICENSE = "license"
    WORKSPACE_PROXY = "workspace_proxy"
    CONVERT_LOGIN = "convert_login"
    HEALTH_SETTINGS = "health_settings"
    OAUTH2_PROVIDER_APP = "oauth2_provider_app"
    OAUTH2_PROVIDER_APP_SECRET = "oauth2_provider_app_secret"  # noqa: S105 - a resource name
    CUSTOM_ROLE = "custom_role"
    ORGANIZATION_MEMBER = "organization_member"
    NOTIFICATIONS_SETTINGS = "notifications_settings"
    NOTIFICATION_TEMPLATE = "notification_template"
    IDP_SYNC_SETTINGS_ORGANIZATION = "idp_sync_settings_organization"
    IDP_SYNC_SETTINGS_GROUP = "idp_sync_settings_group"
    IDP_SYNC_SETTINGS_ROLE = "idp_sync_settings_role"
    WORKSPACE_AGENT = "workspace_agent"
    WORKSPACE_APP = "workspace_app"
    PREBUILDS_SETTINGS = "prebuilds_settings"
    FILE = "file"  # ours: an upload is a write too


class AuditedAction(TextChoices):
    """`action` of a row."""

    CREATE = "create"
    WRITE = "write"
    DELETE = "delete"
    START = "start"
    STOP = "stop"
    LOGIN = "login"
    LOGOUT = "logout"
    REGISTER = "register"
    REQUEST_PASSWORD_RESET = "request_password_reset"  # noqa: S105 - a verb
    CONNECT = "connect"
    DISCONNECT = "disconnect"
    OPEN = "open"
    CLOSE = "close"
