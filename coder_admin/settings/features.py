"""The product's own settings: API, provisioning, prebuilds, notifications, e-mail. Durations in seconds."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured

from .base import VERSION
from .environment import env

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "coder_admin.organizations.authentication.TokenAuthentication",
        "coder_admin.organizations.authentication.SessionAuthentication",
    ],
    # Deny by default; a view that anybody may call says so itself.
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["coder_admin.api.parsing.BodyParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "coder_admin.api.errors.handle_exception",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    # `?format=` belongs to the views (the inbox has one), not to content negotiation.
    "URL_FORMAT_OVERRIDE": None,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Coder Admin",
    "DESCRIPTION": "Templates, prebuilt workspaces and their pools.",
    "VERSION": VERSION,
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": r"/api/v2",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "ENUM_NAME_OVERRIDES": {"PrebuildStatusEnum": "coder_admin.catalog.choices.PrebuildStatus.choices"},
}

# Whether a message that is sent inside a transaction is an error (tests) or a line in the log.
EVENTS_STRICT = False

# Provisioning: the engine that runs templates, and how long a silent worker keeps its job.
PROVISIONER_ENGINE = env.str("CODER_ADMIN_ENGINE", default="embedded")
# False: this machine never runs the embedded engine, and so no script of a template by it.
EMBEDDED_ENGINE = env.switch("CODER_ADMIN_EMBEDDED_ENGINE", default=True)
# Scripts of templates are somebody else's code: the system user they run as ("" = our own), and what each of
# their processes may take (MiB of memory, open files, MiB of one file; processes of that user; 0 = no limit).
SCRIPT_USER = env.str("CODER_ADMIN_SCRIPT_USER", default="")
SCRIPT_PYTHON = env.str("CODER_ADMIN_SCRIPT_PYTHON", default="")  # interpreter of agents; "" = our own
SCRIPT_LIMITS = {
    "memory": 8192,
    "files": 8192,
    "file_size": 0,
    "processes": 1024,
    **env.counts("CODER_ADMIN_SCRIPT_LIMITS"),
}
PROVISIONER_CONCURRENCY = env.count("CODER_ADMIN_PROVISIONER_CONCURRENCY", default=3, least=1)
PROVISIONER_LEASE_SECONDS = env.duration("CODER_ADMIN_PROVISIONER_LEASE_SECONDS", default=30.0, above=0)
PROVISIONER_SWEEP_SECONDS = env.duration("CODER_ADMIN_PROVISIONER_SWEEP_SECONDS", default=5.0, above=0)

# The engine "terraform": which command, what of the server's environment it sees (NAME or BEGINNING*), how
# long one command may take, and how long it has to end after an interrupt.
TERRAFORM_BINARY = env.str("CODER_ADMIN_TERRAFORM_BINARY", default="")
TERRAFORM_CLI_CONFIG = env.str("CODER_ADMIN_TERRAFORM_CLI_CONFIG", default="")
TERRAFORM_PASS_ENV = env.list("CODER_ADMIN_TERRAFORM_PASS_ENV", default=[])
TERRAFORM_TIMEOUT_SECONDS = env.duration("CODER_ADMIN_TERRAFORM_TIMEOUT_SECONDS", default=3600.0, above=0)
TERRAFORM_GRACE_SECONDS = env.duration("CODER_ADMIN_TERRAFORM_GRACE_SECONDS", default=180.0)

# Prebuilds, names and defaults of reference/prebuilds.md section 7.
PREBUILDS_RECONCILIATION_INTERVAL = env.duration(
    "CODER_WORKSPACE_PREBUILDS_RECONCILIATION_INTERVAL", default=60.0, above=0
)
PREBUILDS_BACKOFF_INTERVAL = env.duration(
    "CODER_WORKSPACE_PREBUILDS_RECONCILIATION_BACKOFF_INTERVAL", default=60.0
)
PREBUILDS_BACKOFF_LOOKBACK = env.duration(
    "CODER_WORKSPACE_PREBUILDS_RECONCILIATION_BACKOFF_LOOKBACK_PERIOD", default=3600.0
)
PREBUILDS_FAILURE_HARD_LIMIT = env.count("CODER_WORKSPACE_PREBUILDS_FAILURE_HARD_LIMIT", default=3)
# Two bounds that Coder lacks, both off at 0: how long failed prebuilds are kept as evidence, and how long one
# may run without a ready agent before it is replaced.
PREBUILDS_FAILED_RETENTION = env.duration("CODER_ADMIN_PREBUILDS_FAILED_RETENTION", default=0.0)
PREBUILDS_NOT_READY_LIMIT = env.duration("CODER_ADMIN_PREBUILDS_NOT_READY_LIMIT", default=0.0)

# Quotas on the daily cost of workspaces: "auto" limits an organization once one of its groups has an
# allowance, "on" all of them (then an allowance of 0 allows nothing that costs), "off" none.
WORKSPACE_QUOTAS = env.choice("CODER_ADMIN_WORKSPACE_QUOTAS", default="auto", options=("auto", "on", "off"))

# Who may read /metrics without being logged in: everybody, or whoever knows the token.
METRICS_OPEN = env.switch("CODER_ADMIN_METRICS_OPEN", default=False)
METRICS_TOKEN = env.str("CODER_ADMIN_METRICS_TOKEN", default="")
METRICS_REFRESHED_ON_DEMAND = True  # by the first scrape of a server that runs without `up`

# Workspaces: how often their schedules are looked at, and whether people who may read the deployment's
# configuration can ask a build for debug output.
LIFECYCLE_INTERVAL_SECONDS = env.duration("CODER_ADMIN_LIFECYCLE_INTERVAL_SECONDS", default=60.0, above=0)
ENABLE_TERRAFORM_DEBUG_MODE = env.switch("CODER_ENABLE_TERRAFORM_DEBUG_MODE", default=False)

# Agents: a silent agent counts as disconnected after this many seconds.
AGENT_INACTIVE_DISCONNECT_SECONDS = env.duration(
    "CODER_ADMIN_AGENT_INACTIVE_DISCONNECT_SECONDS", default=45.0, above=0
)

# Notifications, names and defaults of reference/notifications-agents-provisioning.md section 1.4.
NOTIFICATIONS_METHOD = env.choice("CODER_NOTIFICATIONS_METHOD", default="smtp", options=("smtp", "webhook"))
NOTIFICATIONS_MAX_SEND_ATTEMPTS = env.count("CODER_NOTIFICATIONS_MAX_SEND_ATTEMPTS", default=5, least=1)
NOTIFICATIONS_RETRY_INTERVAL = env.duration("CODER_NOTIFICATIONS_RETRY_INTERVAL", default=300.0, above=0)
NOTIFICATIONS_FETCH_INTERVAL = env.duration("CODER_NOTIFICATIONS_FETCH_INTERVAL", default=15.0, above=0)
NOTIFICATIONS_LEASE_PERIOD = env.duration("CODER_NOTIFICATIONS_LEASE_PERIOD", default=120.0, above=0)
NOTIFICATIONS_LEASE_COUNT = env.count("CODER_NOTIFICATIONS_LEASE_COUNT", default=20, least=1)
NOTIFICATIONS_DISPATCH_TIMEOUT = env.duration("CODER_NOTIFICATIONS_DISPATCH_TIMEOUT", default=60.0, above=0)
NOTIFICATIONS_STORE_SYNC_INTERVAL = env.duration("CODER_NOTIFICATIONS_STORE_SYNC_INTERVAL", default=2.0)
NOTIFICATIONS_STORE_SYNC_BUFFER_SIZE = env.count(
    "CODER_NOTIFICATIONS_STORE_SYNC_BUFFER_SIZE", default=50, least=1
)
NOTIFICATIONS_INBOX_ENABLED = env.switch("CODER_NOTIFICATIONS_INBOX_ENABLED", default=True)
# Further incidents of one kind about one template within this many seconds become one message; 0 = never.
NOTIFICATIONS_DIGEST_WINDOW = env.duration("CODER_ADMIN_NOTIFICATIONS_DIGEST_WINDOW", default=3600.0)
# The webhook: its address, what its requests are signed with, and whether it may redirect into private
# networks.
NOTIFICATIONS_WEBHOOK_ENDPOINT = env.web_address("CODER_NOTIFICATIONS_WEBHOOK_ENDPOINT")
NOTIFICATIONS_WEBHOOK_SECRET = env.str("CODER_ADMIN_NOTIFICATIONS_WEBHOOK_SECRET", default="")
NOTIFICATIONS_WEBHOOK_ALLOW_PRIVATE = env.switch(
    "CODER_ADMIN_NOTIFICATIONS_WEBHOOK_ALLOW_PRIVATE", default=False
)

EMAIL_HOST = env.str("CODER_EMAIL_HOST", default="")
EMAIL_PORT = env.count("CODER_EMAIL_PORT", default=587, least=1, most=65_535)
EMAIL_HOST_USER = env.str("CODER_EMAIL_AUTH_USERNAME", default="")
EMAIL_HOST_PASSWORD = env.str("CODER_EMAIL_AUTH_PASSWORD", default="")
EMAIL_USE_TLS = env.switch("CODER_EMAIL_TLS_STARTTLS", default=False)
EMAIL_USE_SSL = env.switch("CODER_EMAIL_FORCE_TLS", default=False)
if EMAIL_USE_TLS and EMAIL_USE_SSL:
    raise ImproperlyConfigured(
        "CODER_EMAIL_TLS_STARTTLS and CODER_EMAIL_FORCE_TLS are both true, but a connection is encrypted "
        "from its start or by STARTTLS. Set one of them to false."
    )
DEFAULT_FROM_EMAIL = env.str("CODER_EMAIL_FROM", default="coder-admin@localhost")
