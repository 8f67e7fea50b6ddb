"""Access lists of templates (rbac-and-organizations.md section 5)."""

from __future__ import annotations

from typing import Final

from rbac.model import WILDCARD, ResourceType

from .choices import TemplateRole
from .models import TEMPLATE_ACL

CODENAMES: Final = {TemplateRole.USE: "use_template", TemplateRole.ADMIN: "admin_template"}

TEMPLATE_FIELDS: Final = TEMPLATE_ACL.field_map(ResourceType.TEMPLATE)


def role_of(actions: frozenset[str]) -> str:
    """The role that a set of actions amounts to."""
    return TemplateRole.ADMIN if WILDCARD in actions else TemplateRole.USE
