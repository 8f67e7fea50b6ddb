"""Signing in and out, and the theme."""

from __future__ import annotations

from django import forms
from django.conf import settings
from django.contrib.auth import login, logout
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters

from coder_admin.dashboard.http import back
from coder_admin.dashboard.middleware import THEMES
from coder_admin.foundation.errors import NotAuthenticated, TooManyRequests
from coder_admin.organizations import services

YEAR = 365 * 24 * 3600


class SignInForm(forms.Form):
    """Username or e-mail, and the password."""

    username = forms.CharField(
        label="Username or e-mail",
        max_length=254,
        widget=forms.TextInput(
            attrs={"class": "input", "autocomplete": "username", "autocapitalize": "none", "autofocus": True}
        ),
    )
    password = forms.CharField(
        label="Password",
        max_length=1024,
        strip=False,
        widget=forms.PasswordInput(attrs={"class": "input", "autocomplete": "current-password"}),
    )


def target_of(request: HttpRequest) -> str:
    target = request.POST.get("next") or request.GET.get("next") or "/"
    safe = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return target if safe else "/"


@sensitive_post_parameters("password")
def sign_in(request: HttpRequest) -> HttpResponse:
    """The sign-in page; somebody who is signed in already goes where they wanted."""
    if request.user.is_authenticated:
        return HttpResponseRedirect(target_of(request))
    if not services.first_user_exists():
        return HttpResponseRedirect(reverse("dashboard:setup"))
    form = SignInForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            user = services.check_login(
                login=form.cleaned_data["username"], password=form.cleaned_data["password"]
            )
        except (NotAuthenticated, TooManyRequests) as refusal:
            form.add_error(None, str(refusal))
        else:
            login(request, user)
            return HttpResponseRedirect(target_of(request))
    return draw_sign_in(request, form, status=401 if form.errors else 200)


def draw_sign_in(request: HttpRequest, form: SignInForm, *, status: int) -> HttpResponse:
    """The page with the ways to sign in that this deployment has."""
    context = {
        "form": form,
        "next": target_of(request),
        "oidc": {"text": settings.OIDC_SIGN_IN_TEXT, "icon": settings.OIDC_ICON_URL}
        if settings.SOCIALACCOUNT_PROVIDERS
        else None,
        "password_closed": settings.DISABLE_PASSWORD_AUTH,
    }
    return render(request, "session/sign_in.html", context, status=status)


def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if request.user.is_authenticated:
        services.logout(user=request.user)
    logout(request)
    return HttpResponseRedirect("/login")


def theme(request: HttpRequest) -> HttpResponse:
    """Keep the chosen theme in a cookie; `system` forgets it. For browsers without JavaScript."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    response = HttpResponseRedirect(back(request))
    chosen = request.POST.get("theme", "")
    if chosen in THEMES:
        response.set_cookie("theme", chosen, max_age=YEAR, samesite="Lax", secure=request.is_secure())
    else:
        response.delete_cookie("theme")
    return response
