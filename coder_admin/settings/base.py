"""Applications, middleware, templates, static files and where things lie on disk."""

from __future__ import annotations

from .environment import BASE_DIR, data_dir, env, secret_key

DATA_DIR = data_dir()
SECRET_KEY = secret_key(DATA_DIR)
DEBUG = env.switch("CODER_ADMIN_DEBUG", default=False)
PRODUCTION = env.switch("CODER_ADMIN_PRODUCTION", default=False)
VERSION = "0.1.0"

# The address by which people, agents and links reach this deployment.
ACCESS_URL = env.str("CODER_ADMIN_ACCESS_URL", default="http://127.0.0.1:8000").rstrip("/")

ROOT_URLCONF = "coder_admin.urls"
ASGI_APPLICATION = "coder_admin.asgi.application"
WSGI_APPLICATION = "coder_admin.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "organizations.User"

INSTALLED_APPS = [
    "coder_admin.dashboard.apps.DashboardConfig",
    "coder_admin.dashboard.apps.DashboardAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "channels",
    "csp",
    "django_filters",
    "django_htmx",
    "django_prometheus",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "guardian",
    "rest_framework",
    "coder_admin.foundation.apps.FoundationConfig",
    "rbac.apps.RbacConfig",
    "coder_admin.organizations.apps.OrganizationsConfig",
    "coder_admin.audit.apps.AuditConfig",
    "coder_admin.notifications.apps.NotificationsConfig",
    "coder_admin.files.apps.FilesConfig",
    "coder_admin.provisioning.apps.ProvisioningConfig",
    "coder_admin.catalog.apps.CatalogConfig",
    "coder_admin.parameters.apps.ParametersConfig",
    "coder_admin.workspaces.apps.WorkspacesConfig",
    "prebuilds.apps.PrebuildsConfig",
    "coder_admin.api.apps.ApiConfig",
    "coder_admin.operations.apps.OperationsConfig",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "coder_admin.foundation.middleware.StaticFiles",
    "coder_admin.audit.middleware.RequestContextMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "coder_admin.dashboard.middleware.viewer_time_zone",
    "coder_admin.foundation.middleware.refuse_nul",
    # Innermost and sync-only: Django then hops to a thread once instead of once per old-style middleware.
    "coder_admin.foundation.middleware.sync_boundary",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "coder_admin.dashboard.context.shell",
            ],
        },
    },
]

LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = DATA_DIR / "static" if PRODUCTION else None
# Without `collectstatic` the files are served from where they lie; production uses hashed names.
WHITENOISE_USE_FINDERS = not PRODUCTION
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": (
            "whitenoise.storage.CompressedManifestStaticFilesStorage"
            if PRODUCTION
            else "django.contrib.staticfiles.storage.StaticFilesStorage"
        )
    },
}
