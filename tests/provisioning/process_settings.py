"""Settings of processes that a test starts: the test's own database, whatever it is called."""

import os

from coder_admin.settings import *  # noqa: F403
from coder_admin.settings import DATABASES

DATABASES["default"]["NAME"] = os.environ["TEST_DATABASE_NAME"]
EVENTS_STRICT = True
