"""One's own account: profile, password, tokens, sessions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from coder_admin.dashboard.forms import add_refusal, new_password_field, text_field
from coder_admin.dashboard.http import ViewerRequest, command, draw, page
from coder_admin.dashboard.people.common import Tab
from coder_admin.foundation.errors import ServiceError
from coder_admin.foundation.pagination import page_of
from coder_admin.organizations import selectors, services
from coder_admin.organizations.choices import LoginType
from rbac.model import SCOPES

LIFETIMES = (("7", "7 days"), ("30", "30 days"), ("90", "90 days"), ("365", "One year"))


class ProfileForm(forms.Form):
    """How one is called."""

    username = text_field("Username", longest=32, mono=True, hint="Part of the addresses of your workspaces.")
    name = text_field("Name", longest=128, required=False, autocomplete="name")


class PasswordForm(forms.Form):
    """A new password needs the old one."""

    old_password = forms.CharField(
        label="Current password",
        max_length=1024,
        strip=False,
        widget=forms.PasswordInput(attrs={"class": "input", "autocomplete": "current-password"}),
    )
    password = new_password_field("New password")


class TokenForm(forms.Form):
    """A new token."""

    name = text_field("Name", longest=64, hint="What uses it, e.g. ci-deploy.", required=False)
    lifetime = forms.ChoiceField(
        label="Lifetime", choices=LIFETIMES, initial="30", widget=forms.Select(attrs={"class": "select"})
    )
    scope = forms.ChoiceField(
        label="Scope",
        choices=[(name, scope.role.display_name) for name, scope in SCOPES.items()],
        help_text="The most it may do, within what you may do.",
        widget=forms.Select(attrs={"class": "select"}),
    )


def _tabs(current: str) -> tuple[Tab, ...]:
    named = (("account", "Profile"), ("account-tokens", "Tokens"), ("account-sessions", "Sessions"))
    return tuple(Tab(label, reverse(f"dashboard:{name}"), name == current) for name, label in named)


@sensitive_post_parameters("old_password", "password")
@page
def profile(request: ViewerRequest) -> HttpResponse:
    """Name and password."""
    user = request.user
    which = request.POST.get("form", "")
    profile_form = ProfileForm(
        request.POST if which == "profile" else None, initial={"username": user.username, "name": user.name}
    )
    password_form = PasswordForm(request.POST if which == "password" else None)
    status = 200
    if request.method == "POST":
        form = password_form if which == "password" else profile_form
        status = 400
        if form.is_bound and form.is_valid():
            try:
                said = _save_password(request, form) if which == "password" else _save_profile(request, form)
            except ServiceError as error:
                add_refusal(form, error)
                status = error.status
                user.refresh_from_db()
            else:
                messages.success(request, said)
                return HttpResponseRedirect(reverse("dashboard:account"))
    context: dict[str, object] = {
        "tabs": _tabs("account"),
        "profile_form": profile_form,
        "password_form": password_form if user.login_type == LoginType.PASSWORD else None,
        "memberships": list(selectors.organizations_of(request.viewer, user)[:100]),
    }
    return render(request, "people/account.html", context, status=status)


def _save_profile(request: ViewerRequest, form: forms.Form) -> str:
    services.user_profile_update(request.viewer, user=request.user, **form.cleaned_data)
    return "Your profile is saved."


def _save_password(request: ViewerRequest, form: forms.Form) -> str:
    services.user_password_set(
        request.viewer,
        user=request.user,
        password=form.cleaned_data["password"],
        old_password=form.cleaned_data["old_password"],
    )
    update_session_auth_hash(request, request.user)
    ended = services.sessions_end_others(
        request.viewer,
        user=request.user,
        current=selectors.public_session_id(request.session.session_key),
    )
    return f"Your password is changed. {ended} other logins ended." if ended else "Your password is changed."


@never_cache
@page
def tokens(request: ViewerRequest) -> HttpResponse:
    """One's tokens; a new one is shown once, in the answer to its making and nowhere else."""
    form = TokenForm(request.POST if request.method == "POST" else None)
    made, status = "", 200
    if request.method == "POST":
        status = 400
        if form.is_valid():
            data: dict[str, Any] = form.cleaned_data
            try:
                _key, made = services.token_create(
                    request.viewer,
                    user=request.user,
                    name=data["name"],
                    lifetime=timedelta(days=int(data["lifetime"])),
                    scope=data["scope"],
                )
            except ServiceError as error:
                for wrong in error.validations:
                    form.add_error("name" if wrong.field == "token_name" else None, wrong.detail)
                if not error.validations:
                    add_refusal(form, error)
                status = error.status
            else:
                form, status = TokenForm(), 201
    context: dict[str, object] = {
        "tabs": _tabs("account-tokens"),
        "form": form,
        "made": made,
        "page": page_of(request.GET, selectors.tokens(request.viewer, request.user)),
    }
    return draw(request, "people/tokens.html", context, status=status)


@command
def revoke(request: ViewerRequest, key: str) -> HttpResponse:
    """End a token at once."""
    row = selectors.api_key(request.viewer, request.user, key_id=key)
    services.api_key_delete(request.viewer, key=row)
    messages.success(request, f"The token {row.token_name or row.id} is revoked.")
    return HttpResponseRedirect(reverse("dashboard:account-tokens"))


@page
def sessions(request: ViewerRequest) -> HttpResponse:
    """Where one is logged in."""
    current = selectors.public_session_id(request.session.session_key)
    rows = selectors.sessions(request.viewer, request.user, current=current)
    context: dict[str, object] = {"tabs": _tabs("account-sessions"), "sessions": rows}
    return draw(request, "people/sessions.html", context)


@command
def end_session(request: ViewerRequest, session: str) -> HttpResponse:
    """End one login."""
    services.session_end(request.viewer, user=request.user, session_id=session)
    messages.success(request, "That login has ended.")
    return HttpResponseRedirect(reverse("dashboard:account-sessions"))


@command
def end_other_sessions(request: ViewerRequest) -> HttpResponse:
    """End all logins but this one."""
    current = selectors.public_session_id(request.session.session_key)
    number = services.sessions_end_others(request.viewer, user=request.user, current=current)
    messages.success(request, f"{number} other logins ended." if number else "There was no other login.")
    return HttpResponseRedirect(reverse("dashboard:account-sessions"))
