"""Writing of the audit trail: one row per fact, in the transaction of the fact itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django.utils import timezone

from coder_admin.foundation.errors import Forbidden
from rbac.django import may
from rbac.model import PREBUILDS_USER_ID, Action, RbacObject, ResourceType, Subject

from .choices import AuditedAction, AuditedType
from .context import current
from .diffs import Diff
from .models import AuditLog


def record(
    *,
    actor: Subject,
    action: AuditedAction | str,
    resource_type: AuditedType | str,
    resource_id: UUID | str = "",
    resource_target: str = "",
    organization_id: UUID | str | None = None,
    diff: Diff | None = None,
    additional_fields: Mapping[str, Any] | None = None,
    status_code: int = 200,
    resource_icon: str = "",
    request_id: UUID | None = None,
    time: datetime | None = None,
) -> AuditLog:
    """Store that `actor` did `action` to a resource; call it inside the transaction that does it.

    Address, program and request id come from the running request. A system subject is stored by name,
    with its reason; only the prebuilds orchestrator has a user row of its own. `request_id` overrides the
    request's (a build's rows carry the job's id), `time` the present. An unknown type or action is a
    ValueError.
    """
    context = current()
    fields = dict(additional_fields or {})
    if actor.is_system and actor.reason:
        fields["automatic"] = actor.reason
    has_row = bool(actor.id) and (not actor.is_system or actor.id == PREBUILDS_USER_ID)
    return AuditLog.objects.create(
        time=time or timezone.now(),
        user_id=actor.id if has_row else None,
        username=actor.username[:64],
        organization_id=organization_id or None,
        ip=context.ip,
        user_agent=context.user_agent,
        request_id=request_id or context.request_id,
        resource_type=AuditedType(resource_type),
        resource_id=str(resource_id),
        resource_target=resource_target[:256],
        resource_icon=resource_icon[:256],
        action=AuditedAction(action),
        diff=diff or {},
        additional_fields=fields,
        status_code=status_code,
    )


def example_create(
    actor: Subject,
    *,
    action: str,
    resource_type: str,
    resource_id: UUID | None = None,
    organization_id: UUID | None = None,
    request_id: UUID | None = None,
    time: datetime | None = None,
    build_reason: str = "",
    additional_fields: Mapping[str, Any] | None = None,
) -> AuditLog:
    """An entry about nothing, marked as such. Forbidden without `audit_log: create` where it is put."""
    where = str(organization_id) if organization_id else ""
    if not may(actor, Action.CREATE, RbacObject(ResourceType.AUDIT_LOG, org=where)):
        raise Forbidden("You may not write to the audit log.")
    fields = {**(additional_fields or {}), **({"build_reason": build_reason} if build_reason else {})}
    return record(
        actor=actor,
        action=action,
        resource_type=resource_type,
        resource_id=resource_id or uuid4(),
        resource_target="test entry",
        organization_id=organization_id,
        additional_fields=fields,
        request_id=request_id,
        time=time,
    )
