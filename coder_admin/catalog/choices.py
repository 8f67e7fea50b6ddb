"""States of presets, and the types and form types of parameters."""

from django.db import models


class PrebuildStatus(models.TextChoices):
    HEALTHY = "healthy"
    HARD_LIMITED = "hard_limited"
    VALIDATION_FAILED = "validation_failed"


class ParameterType(models.TextChoices):
    STRING = "string"
    NUMBER = "number"
    BOOL = "bool"
    LIST_STRING = "list(string)"


class FormType(models.TextChoices):
    RADIO = "radio"
    SLIDER = "slider"
    INPUT = "input"
    DROPDOWN = "dropdown"
    CHECKBOX = "checkbox"
    SWITCH = "switch"
    MULTI_SELECT = "multi-select"
    TAG_SELECT = "tag-select"
    TEXTAREA = "textarea"
    ERROR = "error"


class TemplateRole(models.TextChoices):
    """Roles of a template's access list; what they hold stands in ``grants``."""

    USE = "use"
    ADMIN = "admin"
