"""What the create page reads: possible owners, and the template's answer to the values so far."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

from coder_admin.catalog.models import Template, TemplateVersion
from coder_admin.foundation.errors import ServiceError
from coder_admin.organizations.models import OrganizationMember, User
from coder_admin.parameters.form import FormSession
from coder_admin.parameters.protocol import FormRequest
from coder_admin.parameters.renderer import prepare
from rbac.model import Subject

MAX_OWNERS = 200


def owners(viewer: Subject, template: Template) -> list[User]:
    """People of the template's organization that the viewer may read."""
    rows = (
        OrganizationMember.objects.people().visible_to(viewer).filter(organization=template.organization_id)
    )
    rows = rows.select_related("user").order_by("user__username")[:MAX_OWNERS]
    return [row.user for row in rows]


def evaluate(
    viewer: Subject, version: TemplateVersion, owner_id: uuid.UUID, inputs: Mapping[str, str]
) -> Mapping[str, Any]:
    """The form as the template draws it for these values; what prevents that is a diagnostic on top."""
    try:
        session = FormSession(renderer=prepare(version), viewer=viewer, owner_id=owner_id)
    except ServiceError as error:
        note = {"severity": "error", "summary": error.message, "detail": error.detail}
        return {"parameters": [], "diagnostics": [note]}
    try:
        found: Mapping[str, Any] = json.loads(session.answer(FormRequest(1, inputs)))
        return found
    finally:
        session.close()
