"""The log of an import, live."""

from __future__ import annotations

import uuid
from typing import Any

from coder_admin.provisioning.consumers import JobLogConsumer
from rbac.django import subject_for

from .selectors import version_get


class VersionLogConsumer(JobLogConsumer):
    """``/api/v2/templateversions/{version}/logs?follow``."""

    def find_job(self, user: Any, **path: Any) -> uuid.UUID:
        """The import's job of a version that the caller may read. Raises NotFound, Invalid."""
        return version_get(viewer=subject_for(user), version_id=path["version"]).job_id
