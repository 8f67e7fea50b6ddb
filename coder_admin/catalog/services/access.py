"""Who may see, use and manage a template (rbac-and-organizations.md section 5)."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction

from coder_admin.audit.services import record
from coder_admin.foundation import events
from rbac.django import require
from rbac.model import Action, Subject

from ..acl_editing import change
from ..grants import ACL_FORM
from ..models import Template


@transaction.atomic
def acl_update(
    *,
    actor: Subject,
    template: Template,
    user_perms: Mapping[str, str] | None = None,
    group_perms: Mapping[str, str] | None = None,
) -> bool:
    """Give users and groups (by id) the role ``use`` or ``admin``, or with "" take it away.

    All or nothing; raises Invalid with one entry for each bad id or role. The answer says whether anything
    changed.
    """
    require(actor, Action.UPDATE, template)
    diff = change(
        ACL_FORM,
        template,
        organization_id=template.organization_id,
        users=user_perms or {},
        groups=group_perms or {},
    )
    if not diff:
        return False
    record(
        actor=actor,
        action="write",
        resource_type="template",
        resource_id=template.id,
        resource_target=template.name,
        organization_id=template.organization_id,
        diff=diff,
    )
    events.publish(f"template:{template.id}", {"kind": "acl"})
    return True
