"""Hosts, cookies, passwords, content security policy. Production mode turns everything to https."""

from __future__ import annotations

from urllib.parse import urlsplit

from csp.constants import NONE, SELF

from .base import ACCESS_URL, PRODUCTION
from .environment import env

_access_host = urlsplit(ACCESS_URL).hostname or "localhost"
ALLOWED_HOSTS = env.list(
    "CODER_ADMIN_ALLOWED_HOSTS",
    default=sorted({_access_host, *([] if PRODUCTION else ["localhost", "127.0.0.1", "[::1]"])}),
)
CSRF_TRUSTED_ORIGINS = env.list("CODER_ADMIN_TRUSTED_ORIGINS", default=[ACCESS_URL] if PRODUCTION else [])

# Texts from which the keys for data at rest are derived, newest first; none = from the secret key.
ENCRYPTION_KEYS = env.secrets("CODER_ADMIN_ENCRYPTION_KEYS", shortest=32)

AUTHENTICATION_BACKENDS = ["rbac.backends.PolicyBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "dashboard:login"
LOGIN_REDIRECT_URL = "dashboard:overview"
LOGOUT_REDIRECT_URL = "dashboard:login"

# Object grants are guardian's rows; there is no anonymous user to grant anything to.
ANONYMOUS_USER_NAME = None
GUARDIAN_MONKEY_PATCH_USER = False

SESSION_ENGINE = "coder_admin.organizations.browser_sessions"
SESSION_COOKIE_AGE = 7 * 24 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = PRODUCTION
CSRF_FAILURE_VIEW = "coder_admin.dashboard.errors.csrf_failure"
CSRF_COOKIE_SECURE = PRODUCTION
CSRF_COOKIE_SAMESITE = "Lax"
SECURE_SSL_REDIRECT = PRODUCTION
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = PRODUCTION
SECURE_HSTS_PRELOAD = PRODUCTION
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if PRODUCTION else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# Stricter than Coder's: scripts and styles come from our own files only.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "connect-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "https:", "data:"],
        "font-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "manifest-src": [SELF, "blob:"],
        "worker-src": [SELF, "blob:"],
        "media-src": [SELF],
        "report-uri": ["/api/v2/csp/reports"],
    },
}

# Bodies: uploads have their own limit (files room); everything else stays small.
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024

SILENCED_SYSTEM_CHECKS = [
    "guardian.W001",  # the policy's backend asks guardian's rows itself
    "auth.W004",  # usernames are unique among users that are not deleted
]
