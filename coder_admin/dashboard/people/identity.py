"""What the identity provider decides: its sync settings, of the deployment and of each organization, and the
dry run of a login."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from coder_admin.dashboard.forms import add_refusal, text_field
from coder_admin.dashboard.http import ViewerRequest, page
from coder_admin.dashboard.people.common import may_in, member_of, organization_of, user_of
from coder_admin.dashboard.people.organizations import tabs_of, trail_of
from coder_admin.dashboard.selectors import people as selectors
from coder_admin.foundation.errors import Invalid, NotFound, ServiceError
from coder_admin.organizations.idp import preview
from coder_admin.organizations.idp.config import GroupSync, OrganizationSync, RoleSync, with_pairs
from coder_admin.organizations.models import Organization, User
from coder_admin.organizations.resolution import as_uuid
from coder_admin.organizations.selectors import organization_roles
from coder_admin.organizations.services import idp_settings as services
from rbac.django import may
from rbac.model import Action, RbacObject, ResourceType

S = TypeVar("S", OrganizationSync, GroupSync, RoleSync)
SUGGESTED = 200


def _claim_field(what: str) -> forms.CharField:
    return text_field(
        "Claim",
        longest=256,
        required=False,
        mono=True,
        list="claim-fields",
        hint=f"The claim that names {what}. Left empty, the sync is off.",
    )


class OrganizationConfigForm(forms.Form):
    """Which claim, and whether everybody also belongs to the default organization."""

    field = _claim_field("a person's organizations")
    assign_default = forms.BooleanField(
        label="Everybody is also a member of the default organization", required=False
    )


class GroupConfigForm(forms.Form):
    """Which claim, what passes, and whether unknown names become groups."""

    field = _claim_field("a person's groups")
    regex_filter = text_field(
        "Filter",
        longest=1000,
        required=False,
        mono=True,
        hint="A regular expression (RE2); other values are ignored.",
    )
    auto_create = forms.BooleanField(label="Create groups that do not exist yet", required=False)


class RoleConfigForm(forms.Form):
    """Which claim."""

    field = _claim_field("a person's roles")


class DryRunForm(forms.Form):
    """Whose login, with which claims."""

    user = forms.CharField(
        label="Person",
        required=False,
        max_length=64,
        help_text="A username. Left empty, the dry run is of somebody without an account.",
        widget=forms.TextInput(attrs={"class": "input", "autocomplete": "off", "spellcheck": "false"}),
    )
    claims = forms.CharField(
        label="Claims",
        required=False,
        max_length=100_000,
        help_text="JSON as the provider would send it. Left empty, those of the person's last login.",
        widget=forms.Textarea(attrs={"class": "textarea mono", "rows": 8, "spellcheck": "false"}),
    )


@dataclass(frozen=True)
class Pair:
    """One line of a mapping."""

    given: str
    target: str
    label: str


@dataclass(frozen=True)
class Card:
    """One setting as the page draws it. `targets` are what a claim value can be mapped to: (value, label)."""

    kind: str
    title: str
    text: str
    form: forms.Form
    pairs: tuple[Pair, ...]
    targets: tuple[tuple[str, str], ...]
    target_label: str
    is_on: bool
    errors: tuple[str, ...] = field(default=())


@page
def deployment_sync(request: ViewerRequest) -> HttpResponse:
    """Which organizations a login puts people into."""
    value = services.organization_sync_get(request.viewer)
    may_update = may(request.viewer, Action.UPDATE, RbacObject(ResourceType.IDPSYNC_SETTINGS))
    names = {
        row.id: row.display_name or row.name for row in selectors.organizations(request.viewer)[:SUGGESTED]
    }
    form = OrganizationConfigForm(initial={"field": value.field, "assign_default": value.assign_default})
    done = _posted(
        request,
        {
            "organizations-config": lambda: services.organization_sync_set(
                request.viewer,
                lambda old: replace(
                    old,
                    field=request.POST.get("field", "").strip(),
                    assign_default="assign_default" in request.POST,
                ),
            ),
            "organizations-add": lambda: services.organization_sync_set(
                request.viewer, lambda old: _changed(old, add=[_id_pair(request)])
            ),
            "organizations-remove": lambda: services.organization_sync_set(
                request.viewer, lambda old: _changed(old, remove=[_id_pair(request)])
            ),
        },
        reverse("dashboard:identity"),
    )
    if isinstance(done, HttpResponse):
        return done
    card = Card(
        kind="organizations",
        title="Organizations",
        text="A person belongs to the organizations that the claim's values are mapped to, and to no others.",
        form=form,
        pairs=_pairs(value.mapping, names),
        targets=tuple((str(id_), label) for id_, label in names.items()),
        target_label="Organization",
        is_on=bool(value.field),
        errors=done.get("organizations", ()),
    )
    context = {
        "cards": [card],
        "may_update": may_update,
        "provider": settings.OIDC_ISSUER_URL if settings.SOCIALACCOUNT_PROVIDERS else "",
        "site_roles": settings.OIDC_USER_ROLE_FIELD,
        "claim_fields": preview.claim_fields()[:SUGGESTED],
        "claim_values": preview.claim_values(value.field)[:SUGGESTED] if value.field else (),
        **_dry_run(request, None, lambda name: user_of(request, name)),
    }
    status = 400 if done or context["dry_run_failed"] else 200
    return render(request, "people/identity.html", context, status=status)


@page
def organization_sync(request: ViewerRequest, organization: str) -> HttpResponse:
    """Which groups and roles of one organization a login gives."""
    row = organization_of(request, organization)
    group = services.group_sync_get(request.viewer, row)
    role = services.role_sync_get(request.viewer, row)
    may_update = may_in(request.viewer, Action.UPDATE, ResourceType.IDPSYNC_SETTINGS, row)
    done = _posted(
        request, _steps(request, row), reverse("dashboard:organization-identity", args=(row.name,))
    )
    if isinstance(done, HttpResponse):
        return done
    context = {
        "organization": row,
        "trail": trail_of(row),
        "tabs": tabs_of(request.viewer, row, "identity"),
        "cards": [
            _group_card(request, row, group, done.get("groups", ())),
            _role_card(request, row, role, done.get("roles", ())),
        ],
        "may_update": may_update,
        "claim_fields": preview.claim_fields(row)[:SUGGESTED],
        "claim_values": sorted(
            {value for name in {group.field, role.field} - {""} for value in preview.claim_values(name, row)}
        )[:SUGGESTED],
        **_dry_run(request, row, lambda name: member_of(request, row, name).user),
    }
    status = 400 if done or context["dry_run_failed"] else 200
    return render(request, "people/organization_identity.html", context, status=status)


def _steps(request: ViewerRequest, row: Organization) -> dict[str, Callable[[], object]]:
    def config(old: GroupSync) -> GroupSync:
        return replace(
            old,
            field=request.POST.get("field", "").strip(),
            regex_filter=request.POST.get("regex_filter", "").strip(),
            auto_create="auto_create" in request.POST,
        )

    viewer = request.viewer
    return {
        "groups-config": lambda: services.group_sync_set(viewer, row, config),
        "groups-add": lambda: services.group_sync_set(
            viewer, row, lambda old: _changed(old, add=[_id_pair(request)])
        ),
        "groups-remove": lambda: services.group_sync_set(
            viewer, row, lambda old: _changed(old, remove=[_id_pair(request)])
        ),
        "roles-config": lambda: services.role_sync_set(
            viewer, row, lambda old: replace(old, field=request.POST.get("field", "").strip())
        ),
        "roles-add": lambda: services.role_sync_set(
            viewer, row, lambda old: _changed(old, add=[_text_pair(request)])
        ),
        "roles-remove": lambda: services.role_sync_set(
            viewer, row, lambda old: _changed(old, remove=[_text_pair(request)])
        ),
    }


def _group_card(request: ViewerRequest, row: Organization, value: GroupSync, errors: Sequence[str]) -> Card:
    groups = [one for one in selectors.groups(request.viewer, row.name)[:SUGGESTED] if not one.is_everyone]
    names = {one.id: one.display_name or one.name for one in groups}
    initial = {"field": value.field, "regex_filter": value.regex_filter, "auto_create": value.auto_create}
    return Card(
        kind="groups",
        title="Groups",
        text="A value is mapped to groups, else it is a group's name. Other groups are left.",
        form=GroupConfigForm(initial=initial),
        pairs=_pairs(value.mapping, names),
        targets=tuple((str(id_), label) for id_, label in names.items()),
        target_label="Group",
        is_on=bool(value.field),
        errors=tuple(errors),
    )


def _role_card(request: ViewerRequest, row: Organization, value: RoleSync, errors: Sequence[str]) -> Card:
    offered = [role for role in organization_roles(request.viewer, row) if role.assignable]
    names = {role.name: role.display_name or role.name for role in organization_roles(request.viewer, row)}
    return Card(
        kind="roles",
        title="Roles",
        text="A value is mapped to roles, else it is a role's name. Other roles are taken away.",
        form=RoleConfigForm(initial={"field": value.field}),
        pairs=_pairs(value.mapping, names),
        targets=tuple((role.name, role.display_name or role.name) for role in offered),
        target_label="Role",
        is_on=bool(value.field),
        errors=tuple(errors),
    )


def _pairs(mapping: Mapping[str, Iterable[Any]], names: Mapping[Any, str]) -> tuple[Pair, ...]:
    return tuple(
        Pair(given, str(target), names.get(target, f"{target} (does not exist any more)"))
        for given, targets in mapping.items()
        for target in targets
    )


def _changed(old: S, *, add: Sequence[Any] = (), remove: Sequence[Any] = ()) -> S:
    return replace(old, mapping=with_pairs(old.mapping, add=add, remove=remove))


def _text_pair(request: ViewerRequest) -> tuple[str, str]:
    return request.POST.get("given", "")[:1000], request.POST.get("gets", "")[:128]


def _id_pair(request: ViewerRequest) -> tuple[str, UUID]:
    given, gets = _text_pair(request)
    id_ = as_uuid(gets)
    if id_ is None:
        raise Invalid("Choose what the claim value is mapped to.")
    return given, id_


def _posted(
    request: ViewerRequest, steps: Mapping[str, Callable[[], object]], target: str
) -> HttpResponse | dict[str, tuple[str, ...]]:
    """Do what a form of the page asks: away to the page again, or what went wrong by card."""
    asked = request.POST.get("action", "")
    if request.method != "POST" or asked == "dry-run":
        return {}
    if asked not in steps:
        raise NotFound
    try:
        steps[asked]()
    except ServiceError as error:
        if error.status in (403, 404):
            raise
        return {asked.partition("-")[0]: (str(error),)}
    messages.success(request, "The sync settings are saved; they count from the next login on.")
    return HttpResponseRedirect(target)


def _dry_run(
    request: ViewerRequest, organization: Organization | None, find: Callable[[str], User]
) -> dict[str, Any]:
    """The dry run's form and, once sent, its result."""
    asked = request.method == "POST" and request.POST.get("action") == "dry-run"
    form = DryRunForm(request.POST if asked else None)
    result: preview.Preview | None = None
    if asked and form.is_valid():
        try:
            user = find(form.cleaned_data["user"]) if form.cleaned_data["user"] else None
            result = preview.preview(
                _claims(form.cleaned_data["claims"], user), user=user, organization=organization
            )
        except NotFound:
            form.add_error("user", "Nobody of that username is known to you here.")
        except ServiceError as error:
            add_refusal(form, error)
    return {"dry_run": form, "result": result, "dry_run_failed": asked and result is None}


def _claims(text: str, user: User | None) -> dict[str, Any]:
    if not text.strip():
        return preview.last_claims(user) if user else {}
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise Invalid("The claims are no JSON that can be read: they are nested too deeply.") from error
    except ValueError as error:
        raise Invalid("The claims are no JSON.", detail=str(error)) from error
    if not isinstance(value, dict):
        raise Invalid('The claims must be one JSON object, such as {"groups": ["devs"]}.')
    return value
