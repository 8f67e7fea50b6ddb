"""Every page as every role against objects of another organization, and as nobody: generated from the URL
configuration, so that a new page cannot be forgotten. A page's answer about an object that its viewer may
not see is the answer about one that does not exist."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from coder_admin.notifications import kinds
from coder_admin.organizations.models import CustomRole, Group, Organization, OrganizationMember, User
from rbac.roles import ORG_ROLES
from tests.people import organization

from .world import World, person

ClientOf = Callable[[User], Client]

# Who may be called without login, because the page says so itself. A new entry needs a good reason.
PUBLIC = {
    "login": "it is where people sign in",
    "openid_connect_login": "it sends people to the identity provider",
    "openid_connect_callback": "the identity provider sends people here",
    "setup": "nobody exists yet; it closes with the first user",
    "logout": "who is not signed in is signed out already",
    "theme": "colours are a cookie",
    "healthz": "load balancers ask it",
    "readyz": "load balancers ask it",
    "metrics": "it has a token of its own",
    "api-docs": "tells addresses and shapes, no data",
}
UNKNOWN = uuid.UUID("7d1f0f5e-0d7c-4d36-9a55-1c9a3c0f9b1e")


def pages() -> Iterator[tuple[str, URLPattern]]:
    """(name, pattern) of every address outside the API and Django's admin."""

    def walk(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[tuple[str, URLPattern]]:
        for entry in patterns:
            path = prefix + str(entry.pattern)
            if isinstance(entry, URLResolver):
                yield from walk(entry.url_patterns, path)
            elif not path.startswith(("api/v2/", "admin/")):
                yield (entry.name or path), entry

    yield from walk(get_resolver().url_patterns, "")


def parameters(pattern: URLPattern) -> set[str]:
    return set(pattern.pattern.converters)


def names(here: World) -> dict[str, object]:
    """What each parameter of an address may say of this world."""
    build = here.workspace.latest_build
    assert build is not None
    group = Group.objects.exclude(id=here.template.organization_id).filter(
        organization=here.template.organization
    )
    role, _ = CustomRole.objects.get_or_create(organization=here.template.organization, name="reviewer")
    return {
        "user": here.member.username,
        "role": role.name,
        "key": "abcdefghij",
        "session": UNKNOWN,
        "kind": next(iter(kinds.all_kinds())).id,
        "message": UNKNOWN,
        "organization": here.template.organization.name,
        "template": here.template.name,
        "version": here.version.name,
        "preset": here.preset_id,
        "owner": here.member.username,
        "name": here.workspace.name,
        "number": build.build_number,
        "agent": here.agent.pk,
        "job": build.job_id,
        "group": group.values_list("pk", flat=True).first() or here.template.organization_id,
        "transition": "stop",
        "notification": UNKNOWN,
        "position": 0,
    }


ABSENT: Mapping[str, object] = {
    "user": "nobody",
    "role": "nothing",
    "key": "zzzzzzzzzz",
    "session": UNKNOWN,
    "kind": UNKNOWN,
    "message": UNKNOWN,
    "organization": "nowhere",
    "template": "nothing",
    "version": "v99",
    "preset": UNKNOWN,
    "owner": "nobody",
    "name": "nothing",
    "number": 99,
    "agent": UNKNOWN,
    "job": UNKNOWN,
    "group": UNKNOWN,
    "transition": "stop",
    "notification": UNKNOWN,
    "position": 0,
}


def parametrised() -> Iterator[tuple[str, URLPattern]]:
    return ((name, pattern) for name, pattern in pages() if parameters(pattern) and name not in PUBLIC)


def address(name: str, pattern: URLPattern, chosen: Mapping[str, object]) -> str:
    unknown = parameters(pattern) - set(chosen)
    assert not unknown, f"{name}: say in names() and ABSENT what {unknown} may be"
    arguments = {key: chosen[key] for key in parameters(pattern)}
    return reverse(f"dashboard:{name}", kwargs=arguments)


READS_USERS = {"organization-admin", "organization-user-admin"}
"""Their site-level `user: read` shows them everybody: people belong to the whole deployment."""


def differences(client: Client, here: World, role: str = "") -> list[str]:
    found = []
    for name, pattern in parametrised():
        if role in READS_USERS and str(pattern.pattern).startswith("people/users/"):
            continue
        for method in ("get", "post"):
            codes = [
                getattr(client, method)(address(name, pattern, chosen)).status_code
                for chosen in (names(here), ABSENT)
            ]
            if codes[0] != codes[1] or codes[0] not in (302, 403, 404, 405):
                found.append(f"{method} {name}: {codes}")
    return found


@pytest.mark.parametrize("role", sorted(set(ORG_ROLES)))
def test_nobody_of_another_organization_can_tell_what_exists(
    here: World, client_of: ClientOf, role: str
) -> None:
    foreign = person("foreign", member=False)
    held = [] if role == "organization-member" else [role]
    OrganizationMember.objects.create(organization=organization("other"), user=foreign, roles=held)
    assert differences(client_of(foreign), here, role) == []


def test_a_person_in_no_organization_cannot_tell_either(here: World, client_of: ClientOf) -> None:
    assert differences(client_of(here.stranger), here) == []


def test_the_names_are_right_since_the_owner_finds_what_they_name(here: World, client_of: ClientOf) -> None:
    client = client_of(here.owner)
    codes = {}
    for name, pattern in parametrised():
        codes[name] = client.get(address(name, pattern, names(here))).status_code
    assert {name for name, code in codes.items() if code == 404} <= {"inbox-open"}
    assert sum(code == 200 for code in codes.values()) > 15


def test_lists_show_nothing_of_another_organization(here: World, client_of: ClientOf) -> None:
    """People are the whole deployment's; whatever else a list names belongs to an organization."""
    foreign = person("foreign", member=False)
    other = Organization.objects.get(pk=organization("other").pk)
    OrganizationMember.objects.create(organization=other, user=foreign, roles=list(ORG_ROLES[:1]))
    client = client_of(foreign)
    for name, pattern in pages():
        if parameters(pattern):
            continue
        text = client.get(f"/{pattern.pattern}", follow=False)
        if text.status_code == 200 and not text.streaming:
            shown = text.content.decode()
            assert "go-service" not in shown, name
            assert "dev-1" not in shown, name


def test_every_page_wants_a_login_unless_listed(here: World) -> None:
    cache.clear()
    client = Client(HTTP_HOST="localhost")
    open_pages = set()
    for name, pattern in pages():
        if name in PUBLIC:
            continue
        path = address(name, pattern, names(here)) if parameters(pattern) else f"/{pattern.pattern}"
        for method in ("get", "post"):
            response = getattr(client, method)(path)
            turned_away = response.status_code == 302 and response["Location"].startswith("/login?next=")
            if not turned_away:
                open_pages.add(name)
    assert open_pages == set()
    assert set(PUBLIC) <= {name for name, _ in pages()}, "an entry of PUBLIC names no page any more"
