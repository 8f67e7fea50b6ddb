"""The form of a template's settings: what people see of it, and the rules for its workspaces."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.http import QueryDict

from coder_admin.catalog.models import Template

from .schedule_form import DAYS, MS_PER_HOUR

TEXT = {"class": "input"}
_HOURS = {
    "default_ttl_ms": (
        "Stop after (hours)",
        "For new workspaces; their owners may choose another. 0: never.",
    ),
    "max_ttl_ms": ("Longest life of a start (hours)", "Nobody can extend beyond it. 0: no limit."),
    "activity_bump_ms": (
        "Activity adds (hours)",
        "Whoever works in a workspace moves its deadline by this. 0: it stays.",
    ),
    "failure_ttl_ms": (
        "Clean up failed starts after (hours)",
        "Stops what a failed start left behind. 0: never.",
    ),
    "time_til_dormant_ms": (
        "Put to sleep when unused for (hours)",
        "A dormant workspace is stopped and must be woken. 0: never.",
    ),
    "time_til_dormant_autodelete_ms": (
        "Delete when dormant for (hours)",
        "Its resources and files are lost. 0: never.",
    ),
}
_FLAGS = {
    "allow_user_autostart": "Workspaces may start by themselves",
    "allow_user_autostop": "Owners may choose when their workspaces stop",
    "allow_user_cancel_workspace_jobs": "People may cancel builds that run",
    "require_active_version": "Every start needs the active version",
    "use_classic_parameter_flow": "Classic parameters: as the import found them, without a live form",
}
SECTIONS = (
    ("About", ("display_name", "description", "icon", "deprecation_message")),
    ("Stopping", ("default_ttl_ms", "max_ttl_ms", "activity_bump_ms", "allow_user_autostop")),
    ("Starting", ("allow_user_autostart", "days", "require_active_version")),
    (
        "Cleaning up",
        ("failure_ttl_ms", "time_til_dormant_ms", "time_til_dormant_autodelete_ms"),
    ),
    ("Builds", ("allow_user_cancel_workspace_jobs", "use_classic_parameter_flow")),
)


class TemplateSettingsForm(forms.Form):
    """Durations in hours; `settings` gives them as the service takes them."""

    display_name = forms.CharField(
        label="Display name", required=False, max_length=64, widget=forms.TextInput(attrs=TEXT)
    )
    description = forms.CharField(
        label="Description", required=False, max_length=128, widget=forms.TextInput(attrs=TEXT)
    )
    icon = forms.CharField(
        label="Icon",
        required=False,
        max_length=256,
        help_text="An address of a picture.",
        widget=forms.TextInput(attrs=TEXT),
    )
    deprecation_message = forms.CharField(
        label="Deprecation message",
        required=False,
        max_length=65_536,
        help_text="With a message no new workspaces can be created. Say what to use instead.",
        widget=forms.Textarea(attrs={"class": "textarea", "rows": 2}),
    )
    days = forms.MultipleChoiceField(
        label="Days on which workspaces may start by themselves",
        required=False,
        choices=DAYS,
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, (label, hint) in _HOURS.items():
            self.fields[name] = forms.DecimalField(
                label=label,
                help_text=hint,
                min_value=0,
                max_value=100_000,
                decimal_places=2,
                widget=forms.NumberInput(attrs={"class": "input", "step": "any", "inputmode": "decimal"}),
            )
        for name, label in _FLAGS.items():
            self.fields[name] = forms.BooleanField(label=label, required=False)

    @classmethod
    def of(cls, row: Template, sent: QueryDict | None = None) -> TemplateSettingsForm:
        """The form filled with what is stored, or with what was sent to change it."""
        initial: dict[str, Any] = {name: _hours(getattr(row, name)) for name in _HOURS}
        initial |= {name: getattr(row, name) for name in _FLAGS}
        initial |= {
            name: getattr(row, name)
            for name in ("display_name", "description", "icon", "deprecation_message")
        }
        initial["days"] = [str(bit) for bit in range(7) if row.autostart_days_of_week & 1 << bit]
        return cls(sent, initial=initial)

    @property
    def sections(self) -> list[tuple[str, list[forms.BoundField]]]:
        """The fields in groups, for the page."""
        return [(title, [self[name] for name in names]) for title, names in SECTIONS]

    @property
    def settings(self) -> dict[str, Any]:
        """What the valid form changes, as arguments of `template_update`. A field left as it was shown is
        left out: hours are rounded."""
        data, changed = self.cleaned_data, set(self.changed_data)
        found: dict[str, Any] = {name: int(data[name] * MS_PER_HOUR) for name in _HOURS}
        found |= {name: data[name] for name in _FLAGS}
        found |= {
            name: data[name].strip()
            for name in ("display_name", "description", "icon", "deprecation_message")
        }
        if "days" in changed:
            found["autostart_days_of_week"] = sum(1 << int(day) for day in data["days"])
            changed.add("autostart_days_of_week")
        return {name: value for name, value in found.items() if name in changed}


def _hours(value: int) -> Decimal:
    """Milliseconds as hours without needless zeros."""
    hours = (Decimal(value) / MS_PER_HOUR).quantize(Decimal("0.01"))
    return hours.to_integral_value() if hours == hours.to_integral_value() else hours
