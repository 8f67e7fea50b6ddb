"""Querysets that know who may see templates and their versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q

from rbac.filters import FieldMap, visible_q
from rbac.model import Action, ResourceType, Subject

if TYPE_CHECKING:
    # Named in the base classes below, as texts.
    from .models import Template, TemplateVersion  # noqa: F401


class TemplateQuerySet(models.QuerySet["Template"]):
    def live(self) -> TemplateQuerySet:
        """Not deleted."""
        return self.filter(deleted=False)

    def visible_to(self, actor: Subject, action: Action = Action.READ) -> TemplateQuerySet:
        """The rows on which ``actor`` may do ``action``."""
        from .grants import TEMPLATE_FIELDS

        return self.filter(visible_q(actor, action, TEMPLATE_FIELDS))


class TemplateVersionQuerySet(models.QuerySet["TemplateVersion"]):
    def visible_to(self, actor: Subject, action: Action = Action.READ) -> TemplateVersionQuerySet:
        """Versions of templates on which ``actor`` may do ``action``. One without a template yet is seen by
        who may act on every template of its organization."""
        from .models import TEMPLATE_ACL

        with_template = TEMPLATE_ACL.field_map(ResourceType.TEMPLATE, path="template__")
        without = FieldMap(ResourceType.TEMPLATE, org="organization_id")
        return self.filter(
            Q(template__isnull=False) & visible_q(actor, action, with_template)
            | Q(template__isnull=True) & visible_q(actor, action, without)
        )
