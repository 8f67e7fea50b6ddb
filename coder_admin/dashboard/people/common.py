"""What these pages share: finding who an address names, and a form that calls one service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from coder_admin.dashboard.forms import add_refusal
from coder_admin.dashboard.http import ViewerRequest
from coder_admin.foundation.errors import Forbidden, Invalid, NotFound, ServiceError
from coder_admin.organizations.models import Organization, OrganizationMember, User
from coder_admin.organizations.resolution import resolve_member, resolve_organization, resolve_user
from rbac.django import may
from rbac.model import Action, RbacObject, ResourceType, Subject


def organization_of(request: ViewerRequest, text: str) -> Organization:
    """The live organization an address names; 404 for what may not be read."""
    found = resolve_organization(request.viewer, text)
    if found.deleted:
        raise NotFound
    return found


def user_of(request: ViewerRequest, text: str) -> User:
    """The user an address names. A page says 404 where the API has its one odd 400."""
    try:
        return resolve_user(request.viewer, text, me=request.user)
    except Invalid as error:
        raise NotFound from error


def member_of(request: ViewerRequest, organization: Organization, text: str) -> OrganizationMember:
    """The membership an address names."""
    return resolve_member(request.viewer, organization, text, me=request.user)


def may_in(viewer: Subject, action: Action, type_: ResourceType, organization: Organization) -> bool:
    """Whether the viewer may do this to some object of the organization."""
    return may(viewer, action, RbacObject(type_, org=str(organization.id)))


def require_in(
    viewer: Subject, action: Action, type_: ResourceType, organization: Organization, sentence: str
) -> None:
    """Forbidden, with `sentence`, when the viewer may not."""
    if not may_in(viewer, action, type_, organization):
        raise Forbidden(sentence, detail="Ask an administrator of the organization.")


@dataclass(frozen=True)
class Tab:
    """A link among siblings."""

    label: str
    url: str
    current: bool


@dataclass(frozen=True)
class FormPage:
    """A page that is one form. `trail` are the links above it: (label, address)."""

    heading: str
    sentence: str
    action: str
    trail: tuple[tuple[str, str], ...]
    tabs: tuple[Tab, ...] = ()
    danger: Mapping[str, str] | None = None

    @property
    def cancel_url(self) -> str:
        """Where the last link leads."""
        return self.trail[-1][1]


def answer_form(
    request: ViewerRequest,
    form: forms.Form,
    shown: FormPage,
    save: Callable[[dict[str, Any]], tuple[str, str]],
    *,
    template: str = "people/form.html",
    extra: Mapping[str, object] | None = None,
) -> HttpResponse:
    """Draw the form, or save it: `save` returns what to say and where to go. A refusal shows at its field."""
    status = 200
    if request.method == "POST":
        status = 400
        if form.is_valid():
            try:
                said, target = save(form.cleaned_data)
            except NotFound:
                raise
            except ServiceError as error:
                add_refusal(form, error)
                status = error.status
            else:
                messages.success(request, said)
                return HttpResponseRedirect(target)
    return render(request, template, {"form": form, "shown": shown, **(extra or {})}, status=status)
