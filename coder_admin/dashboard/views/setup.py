"""The first account of a new deployment, made by whoever opens it first."""

from __future__ import annotations

from django import forms
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters

from coder_admin.dashboard.forms import add_refusal, new_password_field, text_field
from coder_admin.foundation.errors import Conflict, ServiceError
from coder_admin.organizations import services


class SetupForm(forms.Form):
    """Who the first owner is."""

    username = text_field("Username", autocomplete="username", hint="Letters, digits and single hyphens.")
    email = text_field("E-mail", longest=254, autocomplete="email")
    name = text_field("Name", longest=128, required=False, autocomplete="name")
    password = new_password_field("Password")


@sensitive_post_parameters("password")
def setup(request: HttpRequest) -> HttpResponse:
    """Only while nobody has an account; afterwards the sign-in page."""
    if services.first_user_exists():
        return HttpResponseRedirect(reverse("dashboard:login"))
    form = SetupForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            user = services.first_user_create(**form.cleaned_data)
        except Conflict:
            return HttpResponseRedirect(reverse("dashboard:login"))
        except ServiceError as error:
            add_refusal(form, error)
        else:
            login(request, user)
            return HttpResponseRedirect(reverse("dashboard:overview"))
    return render(request, "session/setup.html", {"form": form}, status=400 if form.errors else 200)
