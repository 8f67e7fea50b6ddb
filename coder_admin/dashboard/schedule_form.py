"""The form of a workspace's schedule: when it starts, how long it lasts, which version it takes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.http import QueryDict

from coder_admin.workspaces.choices import AutomaticUpdates
from coder_admin.workspaces.models import Workspace

from .clock_view import SimpleSchedule, simple_schedule

DAYS = (
    ("0", "Monday"),
    ("1", "Tuesday"),
    ("2", "Wednesday"),
    ("3", "Thursday"),
    ("4", "Friday"),
    ("5", "Saturday"),
    ("6", "Sunday"),
)
MS_PER_HOUR = 3_600_000
KINDS = (("off", "Off"), ("days", "At a time of day"), ("cron", "By a cron expression"))


class ScheduleForm(forms.Form):
    """Fields of the page; `schedule` and `ttl_ms` are what the services take."""

    kind = forms.ChoiceField(label="Start by itself", choices=KINDS, widget=forms.RadioSelect)
    at = forms.TimeField(
        label="Time",
        required=False,
        widget=forms.TimeInput(attrs={"class": "input", "type": "time"}, format="%H:%M"),
    )
    days = forms.MultipleChoiceField(
        label="Days", required=False, choices=DAYS, widget=forms.CheckboxSelectMultiple
    )
    zone = forms.CharField(
        label="Time zone",
        required=False,
        max_length=64,
        help_text="Such as Europe/Berlin. Clock changes are followed.",
        widget=forms.TextInput(attrs={"class": "input", "list": "zones", "autocomplete": "off"}),
    )
    cron = forms.CharField(
        label="Cron expression",
        required=False,
        max_length=128,
        help_text="CRON_TZ=Europe/Berlin 30 9 * * 1-5: zone, minute, hour, then * * and the weekdays.",
        widget=forms.TextInput(attrs={"class": "input mono", "autocomplete": "off", "spellcheck": "false"}),
    )
    hours = forms.DecimalField(
        label="Stop by itself after (hours)",
        required=False,
        min_value=Decimal("0.02"),
        max_value=720,
        max_digits=6,
        decimal_places=2,
        help_text="From each start on; at most 720. Left empty, it runs until somebody stops it.",
        widget=forms.NumberInput(attrs={"class": "input", "step": "0.25", "inputmode": "decimal"}),
    )
    always = forms.BooleanField(label="Take the template's active version with each start", required=False)

    @classmethod
    def of(cls, row: Workspace, zone: str, sent: QueryDict | None = None) -> ScheduleForm:
        """The form filled with what is stored, or sent to change it; `zone` is offered where nothing is."""
        found = simple_schedule(row.autostart_schedule) if row.autostart_schedule else None
        initial: dict[str, Any] = {
            "kind": "days" if found else "cron" if row.autostart_schedule else "off",
            "at": found.at if found else "09:00",
            "days": [str(day) for day in found.days] if found else ["0", "1", "2", "3", "4"],
            "zone": found.zone if found else zone,
            "cron": row.autostart_schedule,
            "hours": (Decimal(row.ttl_ms) / MS_PER_HOUR).quantize(Decimal("0.01")) if row.ttl_ms else None,
            "always": row.automatic_updates == AutomaticUpdates.ALWAYS,
        }
        return cls(sent, initial=initial)

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if data.get("kind") == "days":
            for field, what in (("at", "Choose a time."), ("days", "Choose at least one day.")):
                if not data.get(field) and field not in self.errors:
                    self.add_error(field, what)
            if not data.get("zone"):
                self.add_error("zone", "Name a time zone, such as Europe/Berlin.")
        if data.get("kind") == "cron" and not data.get("cron"):
            self.add_error("cron", "Give an expression, or choose Off.")
        return data

    @property
    def schedule(self) -> str:
        """The expression that the valid form stands for."""
        data = self.cleaned_data
        if data["kind"] == "days":
            days = tuple(sorted(int(day) for day in data["days"]))
            return SimpleSchedule(data["at"], days, data["zone"].strip()).text
        return str(data["cron"]).strip() if data["kind"] == "cron" else ""

    @property
    def ttl_ms(self) -> int | None:
        hours = self.cleaned_data.get("hours")
        return int(hours * MS_PER_HOUR) if hours else None


def zones() -> list[str]:
    """Names for the list of suggestions."""
    return sorted(name for name in available_timezones() if "/" in name and not name.startswith("Etc/"))
