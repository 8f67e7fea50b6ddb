"""Forms of the pages that are not made by a template's parameters."""

from __future__ import annotations

from collections.abc import Sequence

from django import forms

from coder_admin.foundation.errors import ServiceError, Validation
from coder_admin.organizations.models import Organization

TEXT = {"class": "input"}
TYPES = {".tar": "application/x-tar", ".zip": "application/zip"}


def text_field(
    label: str,
    *,
    longest: int = 64,
    required: bool = True,
    hint: str = "",
    mono: bool = False,
    **attributes: str,
) -> forms.CharField:
    """A line of text; `attributes` go onto the element (`autocomplete`)."""
    css = "input mono" if mono else "input"
    return forms.CharField(
        label=label,
        max_length=longest,
        required=required,
        help_text=hint,
        widget=forms.TextInput(
            attrs={"class": css, "autocomplete": "off", "spellcheck": "false", **attributes}
        ),
    )


def new_password_field(label: str) -> forms.CharField:
    """A password to be set; its rules are the service's, told here before they are broken."""
    return forms.CharField(
        label=label,
        max_length=1024,
        strip=False,
        help_text="At least 10 characters, not a common one, not like your name or address.",
        widget=forms.PasswordInput(attrs={"class": "input", "autocomplete": "new-password"}),
    )


def content_type_of(name: str) -> str:
    """The media type of an archive by its ending; what is not a zip is read as a tar."""
    return TYPES[".zip"] if name.lower().endswith(".zip") else TYPES[".tar"]


class VersionUploadForm(forms.Form):
    """A new version of a template that exists."""

    archive = forms.FileField(
        label="Archive", widget=forms.FileInput(attrs={"class": "input", "accept": ".tar,.zip"})
    )
    name = forms.CharField(
        label="Version name",
        required=False,
        max_length=64,
        help_text="Left empty, a name is made up.",
        widget=forms.TextInput(attrs={**TEXT, "autocomplete": "off"}),
    )
    message = forms.CharField(
        label="What changed",
        required=False,
        max_length=10_000,
        widget=forms.Textarea(attrs={"class": "textarea", "rows": 3}),
    )


class TemplateUploadForm(forms.Form):
    """A new template with its first version."""

    archive = forms.FileField(
        label="Archive", widget=forms.FileInput(attrs={"class": "input", "accept": ".tar,.zip"})
    )
    organization = forms.ChoiceField(label="Organization")
    name = forms.CharField(
        label="Name",
        max_length=32,
        help_text="Letters, digits and single hyphens; it is part of addresses.",
        widget=forms.TextInput(attrs={"class": "input mono", "autocomplete": "off", "spellcheck": "false"}),
    )
    display_name = forms.CharField(
        label="Display name", required=False, max_length=64, widget=forms.TextInput(attrs=TEXT)
    )
    description = forms.CharField(
        label="Description", required=False, max_length=128, widget=forms.TextInput(attrs=TEXT)
    )
    message = forms.CharField(
        label="Note about this version", required=False, max_length=10_000, widget=forms.TextInput(attrs=TEXT)
    )

    def __init__(self, *args: object, organizations: Sequence[Organization], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        choices = [(str(row.pk), row.display_name or row.name) for row in organizations]
        self.fields["organization"] = forms.ChoiceField(
            label="Organization", widget=forms.Select(attrs={"class": "select"}), choices=choices
        )
        if len(choices) == 1:
            self.initial["organization"] = choices[0][0]


def add_refusal(form: forms.Form, error: ServiceError) -> None:
    """Show a service's refusal at the fields it names, and its message on top."""
    named = [wrong for wrong in error.validations if wrong.field in form.fields]
    for wrong in named:
        form.add_error(wrong.field, wrong.detail)
    rest = [wrong for wrong in error.validations if wrong.field not in form.fields]
    if not named or rest or error.detail:
        form.add_error(None, " ".join([error.message, error.detail, *map(_spoken, rest)]).strip())


def _spoken(wrong: Validation) -> str:
    return f"{wrong.field}: {wrong.detail}"
