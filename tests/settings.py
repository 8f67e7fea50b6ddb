"""The application's settings for tests: a private data folder, and a database file where threads can meet."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

_root = tempfile.mkdtemp(
    prefix="coder-admin-tests-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None
)
atexit.register(shutil.rmtree, _root, ignore_errors=True)
os.environ["CODER_ADMIN_DATA"] = _root
os.environ.pop("CODER_ADMIN_PRODUCTION", None)

# Redis has no test databases: each parallel worker takes one of the numbered ones, from the given one on.
if os.environ.get("REDIS_URL"):
    _given = urlsplit(os.environ["REDIS_URL"])
    _number = int(_given.path.strip("/") or 0) + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    os.environ["REDIS_URL"] = _given._replace(path=f"/{_number}").geturl()

from coder_admin.settings import *  # noqa: E402, F403
from coder_admin.settings import DATABASES  # noqa: E402

# A database in memory breaks under threads (design, trap 2): a file on a memory disk does not.
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["TEST"] = {"NAME": str(Path(_root) / "test.sqlite3")}

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # real hashing is slow on purpose
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
EVENTS_STRICT = True  # a message that would leave before the commit is an error in every test
METRICS_REFRESHED_ON_DEMAND = False  # its thread would outlive the test that scrapes
