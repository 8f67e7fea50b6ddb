"""Access lists of templates (rbac-and-organizations.md section 5)."""

from __future__ import annotations

from typing import Final

from rbac.model import ResourceType

from .acl_editing import AclForm
from .choices import TemplateRole
from .models import TEMPLATE_ACL

ACL_FORM: Final = AclForm(
    TEMPLATE_ACL,
    {TemplateRole.USE.value: "use_template", TemplateRole.ADMIN.value: "admin_template"},
    user_field="user_perms",
    group_field="group_perms",
)

TEMPLATE_FIELDS: Final = TEMPLATE_ACL.field_map(ResourceType.TEMPLATE)
