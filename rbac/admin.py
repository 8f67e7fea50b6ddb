"""The base of every model's page in Django's admin: what shows, row by row, is the policy's answer.

The rows are facts that services write and audit, so they are looked at here and never changed. A staff flag
opens nothing: whether the model shows at all is asked of `PolicyBackend`, and a list holds only the rows on
which the viewer may `read`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin import RelatedOnlyFieldListFilter
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from rbac.django import subject_for
from rbac.filters import FieldMap, visible_q
from rbac.model import Action

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelAdmin = admin.ModelAdmin


class PolicyAdmin(_ModelAdmin):
    """Read-only, filtered by `policy_fields`, or by the manager's own `visible_to`."""

    policy_fields: tuple[FieldMap, ...] = ()
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Only what the policy lets the person read."""
        viewer = subject_for(request.user)
        rows: Any = super().get_queryset(request)
        if self.policy_fields:
            filtered: QuerySet[Any] = rows.filter(visible_q(viewer, Action.READ, *self.policy_fields))
            return filtered
        if not hasattr(rows, "visible_to"):
            name = type(self).__name__
            raise ImproperlyConfigured(f"{name} needs policy_fields: its rows have no visible_to")
        seen: QuerySet[Any] = rows.visible_to(viewer)
        return seen

    def get_list_filter(self, request: HttpRequest) -> Any:
        """A filter by a related row offers only those that occur in the visible rows: names of other
        organizations do not leak."""
        return [self._only_related(entry) for entry in super().get_list_filter(request)]

    def _only_related(self, entry: Any) -> Any:
        if isinstance(entry, str) and self.opts.get_field(entry).is_relation:
            return entry, RelatedOnlyFieldListFilter
        return entry

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
