"""Users of the deployment: list, creation, one user's page with status, roles, password and deletion."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters

from coder_admin.dashboard.filters import Option, Picker, address, filter_bar, merged
from coder_admin.dashboard.forms import new_password_field, text_field
from coder_admin.dashboard.http import ViewerRequest, command, draw, page
from coder_admin.dashboard.people.common import FormPage, answer_form, user_of
from coder_admin.dashboard.people.role_choice import RolesField, chosen_roles
from coder_admin.dashboard.selectors import people as selectors
from coder_admin.foundation.errors import Forbidden, Invalid
from coder_admin.foundation.pagination import page_of
from coder_admin.organizations import services
from coder_admin.organizations.access_news import USERS_TOPIC
from coder_admin.organizations.choices import LoginType, UserStatus
from coder_admin.organizations.models import User
from coder_admin.organizations.selectors import AssignableRole, site_roles
from coder_admin.organizations.selectors import users as readable_users
from rbac.django import may, require
from rbac.model import Action, RbacObject, ResourceType, Subject

PICKERS = ("status", "role", "login_type")
WAYS = (
    (LoginType.PASSWORD.value, "Password"),
    (LoginType.OIDC.value, "Identity provider"),
    (LoginType.NONE.value, "No login, tokens only"),
)


def may_see_users(viewer: Subject) -> bool:
    """Whether the viewer may read people beyond themselves."""
    return may(viewer, Action.READ, RbacObject(ResourceType.USER))


def may_create(viewer: Subject) -> bool:
    """Whether the viewer may make users."""
    return may(viewer, Action.CREATE, RbacObject(ResourceType.USER))


@page
def users(request: ViewerRequest) -> HttpResponse:
    """Everybody whom the viewer may read."""
    canonical = merged(request.GET, PICKERS)
    if canonical is not None:
        return HttpResponseRedirect(address(request.path, canonical, {}))
    text, errors = request.GET.get("filter", ""), []
    try:
        rows = readable_users(request.viewer, text)
    except Invalid as error:
        errors = [wrong.detail for wrong in error.validations] or [error.message]
        rows = readable_users(request.viewer).none()
    context: dict[str, object] = {
        "topics": USERS_TOPIC,
        "page": page_of(request.GET, rows),
        "may_create": may_create(request.viewer),
        "filters": filter_bar(
            path=request.path,
            text=text,
            kept={},
            placeholder="Part of a name, or status:suspended",
            hint="Words look in name, username and e-mail; keys: login_type, role, status.",
            errors=errors,
            pickers=(
                Picker(
                    "status",
                    "Status",
                    tuple(Option(value, str(label)) for value, label in UserStatus.choices),
                ),
                Picker("login_type", "Login", tuple(Option(value, label) for value, label in WAYS)),
            ),
        ),
    }
    return draw(request, "people/users.html", context)


class UserForm(forms.Form):
    """A new account."""

    username = text_field("Username", longest=32, mono=True, hint="Letters, digits and single hyphens.")
    email = text_field("E-mail", longest=254)
    name = text_field("Name", longest=128, required=False)
    login_type = forms.ChoiceField(
        label="Logs in with",
        choices=WAYS,
        widget=forms.Select(attrs={"class": "select"}),
        help_text="An account for the identity provider is found by its e-mail address at the first login.",
    )
    password = new_password_field("Password")

    def __init__(self, *args: Any, organizations: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"].required = False
        self.fields["organizations"] = forms.MultipleChoiceField(
            label="Organizations",
            required=False,
            choices=organizations,
            widget=forms.CheckboxSelectMultiple,
        )


@sensitive_post_parameters("password")
@page
def new(request: ViewerRequest) -> HttpResponse:
    """Make an account for somebody."""
    if not may_create(request.viewer):
        raise Forbidden("You may not create users.", detail="It needs the role owner or user admin.")
    places = list(selectors.organizations(request.viewer)[:100])
    form = UserForm(
        request.POST if request.method == "POST" else None,
        organizations=[(str(row.pk), row.display_name or row.name) for row in places],
        initial={"organizations": [str(row.pk) for row in places if row.is_default]},
    )

    def save(data: dict[str, Any]) -> tuple[str, str]:
        chosen = set(data.pop("organizations"))
        password = data.pop("password") or None
        user = services.user_create(
            request.viewer,
            password=password,
            organizations=[row for row in places if str(row.pk) in chosen],
            **data,
        )
        return f"{user.username} was created.", _url(user)

    trail = (("People", reverse("dashboard:people")), ("Users", reverse("dashboard:users")))
    shown = FormPage(
        "Create a user", "Tell them the password you choose; they can change it.", "Create user", trail
    )
    return answer_form(request, form, shown, save)


@page
def detail(request: ViewerRequest, user: str) -> HttpResponse:
    """One person: who they are, where they belong, what they may be given."""
    row = user_of(request, user)
    offered = site_roles(request.viewer)
    viewer = request.viewer
    is_self = str(row.id) == viewer.id
    may_update = may(viewer, Action.UPDATE, row) and not row.is_system
    RolesForm = _roles_form(offered)
    context: dict[str, object] = {
        "person": row,
        "is_self": is_self,
        "memberships": list(selectors.memberships_of(viewer, row)),
        "roles_form": RolesForm(initial={"roles": row.rbac_roles}),
        "may": {
            "status": may_update and not is_self,
            "roles": any(role.assignable for role in offered) and not is_self and not row.is_system,
            "password": may_update and row.login_type == LoginType.PASSWORD and not is_self,
            "delete": may(viewer, Action.DELETE, row) and not is_self and not row.is_system,
            "credentials": may(viewer, Action.READ, RbacObject(ResourceType.API_KEY, owner=str(row.id))),
        },
        "counts": selectors.credential_counts(row),
    }
    return draw(request, "people/user.html", context)


def _roles_form(offered: list[AssignableRole]) -> type[forms.Form]:
    class RolesForm(forms.Form):
        roles = RolesField(offered, label="Site roles")

    return RolesForm


@command
def set_roles(request: ViewerRequest, user: str) -> HttpResponse:
    """Give and take site roles."""
    row = user_of(request, user)
    offered = site_roles(request.viewer)
    names = chosen_roles(request.POST.getlist("roles"), row.rbac_roles, offered)
    services.user_roles_set(request.viewer, user=row, roles=names)
    messages.success(request, f"The site roles of {row.username} are saved.")
    return HttpResponseRedirect(_url(row))


@command
def set_status(request: ViewerRequest, user: str) -> HttpResponse:
    """Suspend or activate."""
    row = user_of(request, user)
    status = UserStatus.ACTIVE if request.POST.get("status") == "active" else UserStatus.SUSPENDED
    services.user_status_set(request.viewer, user=row, status=status)
    said = (
        "may log in again"
        if status == UserStatus.ACTIVE
        else "is suspended; logins and tokens stopped working"
    )
    messages.success(request, f"{row.username} {said}.")
    return HttpResponseRedirect(_url(row))


class PasswordForm(forms.Form):
    """A new password for somebody else."""

    password = new_password_field("New password")


@sensitive_post_parameters("password")
@page
def set_password(request: ViewerRequest, user: str) -> HttpResponse:
    """Set somebody's password; their logins end."""
    row = user_of(request, user)
    require(request.viewer, Action.UPDATE_PERSONAL, row, message="You may not set this user's password.")

    def save(data: dict[str, Any]) -> tuple[str, str]:
        services.user_password_set(request.viewer, user=row, password=data["password"])
        return f"The password of {row.username} is set; every login of theirs has ended.", _url(row)

    trail = (("Users", reverse("dashboard:users")), (row.display_name, _url(row)))
    shown = FormPage(
        "Set a password",
        f"Every login of {row.username} ends. Tell them the new password; they can change it.",
        "Set password",
        trail,
    )
    if str(row.id) == request.viewer.id:
        return HttpResponseRedirect(reverse("dashboard:account"))
    form = PasswordForm(request.POST if request.method == "POST" else None)
    return answer_form(request, form, shown, save)


@command
def delete(request: ViewerRequest, user: str) -> HttpResponse:
    """Delete an account that owns nothing any more."""
    row = user_of(request, user)
    services.user_delete(request.viewer, user=row)
    messages.success(request, f"{row.username} was deleted.")
    return HttpResponseRedirect(reverse("dashboard:users"))


@command
def end_sessions(request: ViewerRequest, user: str) -> HttpResponse:
    """End every login of somebody else."""
    row = user_of(request, user)
    number = services.sessions_end_others(request.viewer, user=row)
    messages.success(request, f"{number} logins of {row.username} ended.")
    return HttpResponseRedirect(_url(row))


def _url(user: User) -> str:
    return reverse("dashboard:user", args=(user.username,))
