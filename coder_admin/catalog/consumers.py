"""The log of an import, live."""

from __future__ import annotations

import uuid
from typing import Any

from coder_admin.provisioning.consumers import JobLogConsumer
from rbac.model import Subject

from .selectors import version_get


class VersionLogConsumer(JobLogConsumer):
    """``/api/v2/templateversions/{version}/logs?follow``."""

    def find_job(self, viewer: Subject, **path: Any) -> uuid.UUID:
        """The import's job of a version that the viewer may read. Raises NotFound, Invalid."""
        return version_get(viewer=viewer, version_id=path["version"]).job_id
