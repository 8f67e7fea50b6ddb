"""Reading of the audit trail (reference section 6)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from uuid import UUID

from django.db.models import Q, QuerySet

from coder_admin.foundation.errors import Forbidden, Invalid, Validation
from coder_admin.foundation.search import Terms, parse_terms
from rbac.filters import FieldMap, visible_q
from rbac.model import Action, RbacObject, ResourceType, Subject
from rbac.policy import allowed

from .choices import AuditedAction, AuditedType
from .models import AuditLog

FIELDS = FieldMap(ResourceType.AUDIT_LOG, org="organization_id", org_nullable=True)
KEYS = (
    "resource_type",
    "action",
    "resource_id",
    "resource_target",
    "username",
    "email",
    "date_from",
    "date_to",
    "build_reason",
    "organization",
    "request_id",
)


def may_read_any(viewer: Subject) -> bool:
    """Whether some of the trail is open to the viewer: all of it, or that of an organization."""
    return allowed(viewer, Action.READ, RbacObject(ResourceType.AUDIT_LOG)) or allowed(
        viewer, Action.READ, RbacObject(ResourceType.AUDIT_LOG, any_org=True)
    )


def audit_logs(viewer: Subject, query: str = "") -> QuerySet[AuditLog]:
    """The entries the viewer may read that match `query`, newest first.

    Forbidden without `audit_log: read` on the site or in any organization. Invalid for an unknown key or a
    bad value.
    """
    if not may_read_any(viewer):
        raise Forbidden("You may not read the audit log.", detail="The auditor roles allow it.")
    terms = parse_terms(query, keys=KEYS, default="resource_type")
    rows = AuditLog.objects.filter(visible_q(viewer, Action.READ, FIELDS), _conditions(viewer, terms))
    return rows.select_related("user", "organization").order_by("-time", "-id")


def _conditions(viewer: Subject, terms: Terms) -> Q:
    wrong: list[Validation] = []
    found = _choices(terms, wrong) & _request(terms, wrong) & _period(terms, wrong)
    for key, lookup in (
        ("resource_id", "resource_id"),
        ("resource_target", "resource_target__iexact"),
        ("email", "user__email__iexact"),
        ("build_reason", "additional_fields__build_reason"),
    ):
        if key in terms:
            found &= Q(**{lookup: terms.first(key)})
    if "username" in terms:
        name = terms.first("username")
        # A system subject has no row of its own; a person may have been renamed since.
        by_name = Q(user__username__iexact=name) | Q(user__isnull=True, username__iexact=name)
        found &= Q(user_id=viewer.id) if name == "me" else by_name
    if "organization" in terms:
        found &= _organization(terms.first("organization"))
    if wrong:
        raise Invalid("Invalid audit search query.", validations=wrong)
    return found


def _choices(terms: Terms, wrong: list[Validation]) -> Q:
    found = Q()
    for key, legal in (("resource_type", AuditedType.values), ("action", AuditedAction.values)):
        unknown = [value for value in terms.all(key) if value not in legal]
        wrong += [Validation(key, f'"{value}" is not one of {", ".join(legal)}.') for value in unknown]
        if key in terms:
            found &= Q(**{f"{key}__in": terms.all(key)})
    return found


def _request(terms: Terms, wrong: list[Validation]) -> Q:
    if "request_id" not in terms:
        return Q()
    request_id = _as_uuid(terms.first("request_id"))
    if request_id is None:
        wrong.append(Validation("request_id", f'"{terms.first("request_id")}" is not a valid UUID.'))
    return Q(request_id=request_id)


def _as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _organization(text: str) -> Q:
    id_ = _as_uuid(text)
    if id_ is not None:
        return Q(organization_id=id_)
    return Q(organization__name__iexact=text, organization__deleted=False)


def _period(terms: Terms, wrong: list[Validation]) -> Q:
    found = Q()
    for key, lookup, clock in (
        ("date_from", "time__gte", time.min),
        # To the end of the day, as the reference has it.
        ("date_to", "time__lte", time(23, 59, 59, 999_999)),
    ):
        if key not in terms:
            continue
        try:
            day = date.fromisoformat(terms.first(key))
        except ValueError:
            wrong.append(Validation(key, f'"{terms.first(key)}" is not a date; write it as YYYY-MM-DD.'))
            continue
        found &= Q(**{lookup: datetime.combine(day, clock, tzinfo=UTC)})
    return found
