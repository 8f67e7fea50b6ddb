"""Custom roles over HTTP: what they may hold, who may make them, and what their end takes away."""

from __future__ import annotations

from typing import Any

import pytest

from coder_admin.audit.models import AuditLog
from coder_admin.organizations.models import CustomRole, Organization, OrganizationMember
from tests.people import client, json_of, organization, owner, person

pytestmark = pytest.mark.django_db
URL = "/api/v2/organizations/acme/members/roles"


@pytest.fixture
def acme() -> Organization:
    return organization("acme")


def one(type_: str = "workspace", action: str = "read", **extra: Any) -> dict[str, Any]:
    return {"resource_type": type_, "action": action, **extra}


def body(name: str = "cleaner", *permissions: dict[str, Any], **extra: Any) -> dict[str, Any]:
    return {"name": name, "organization_permissions": list(permissions), **extra}


def test_role_is_made_listed_changed_and_deleted(acme: Organization) -> None:
    http = client(owner())
    made = http.post(URL, body("cleaner", one(), one(), display_name="Cleaner"), format="json")
    assert made.status_code == 200
    assert made.json() == {
        "name": "cleaner",
        "display_name": "Cleaner",
        "organization_id": str(acme.id),
        "site_permissions": [],
        "organization_permissions": [one(negate=False)],
        "user_permissions": [],
    }
    listed = json_of(http.get(URL))[-1]
    assert (listed["name"], listed["built_in"], listed["assignable"]) == ("cleaner", False, True)
    assert listed["organization_permissions"] == [one(negate=False)]
    person("ada", memberships={acme: ["cleaner", "organization-auditor"]})
    changed = http.put(URL, body("cleaner", one("template", "read")), format="json")
    assert changed.json()["organization_permissions"] == [one("template", "read", negate=False)]
    assert http.delete(f"{URL}/CLEANER").status_code == 204
    assert http.delete(f"{URL}/cleaner").status_code == 404
    assert http.put(URL, body("cleaner"), format="json").status_code == 404
    assert OrganizationMember.objects.get(user__username="ada").roles == ["organization-auditor"]
    actions = AuditLog.objects.filter(resource_type="custom_role", organization=acme).order_by("time")
    assert list(actions.values_list("action", flat=True)) == ["create", "write", "delete"]


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (body("organization-admin"), "Reserved role name"),
        (body("Owner"), "Reserved role name"),
        (body("two words"), "not a valid role name"),
        (body("a:b"), "not a valid role name"),
        (body(""), "not a valid role name"),
        (body("x" * 65), "not a valid role name"),
        (body("x", site_permissions=[one()]), "of its organization only"),
        (body("x", user_permissions=[one()]), "of its organization only"),
        (body("x", one("unicorn", "read")), "cannot hold these"),
        (body("x", one("workspace", "fly")), "cannot hold these"),
        (body("x", one("prebuilt_workspace", "start")), "cannot hold these"),
        (body("x", one("*", "read")), "cannot hold these"),
        (body("x", one("workspace", "*")), "cannot hold these"),
        (body("x", one(negate=True)), "cannot hold these"),
        (body("x", {"resource_type": "workspace"}), "Validation failed."),
        ({"organization_permissions": "x"}, "Validation failed."),
    ],
)
def test_bad_role_is_refused_and_nothing_made(acme: Organization, sent: dict[str, Any], message: str) -> None:
    response = client(owner()).post(URL, sent, format="json")
    assert response.status_code == 400, response.content
    assert message in response.json()["message"]
    assert response.json()["validations"]
    assert not CustomRole.objects.exists()


def test_null_lists_are_empty_ones(acme: Organization) -> None:
    sent = body("x", one(), site_permissions=None, user_permissions=None)
    assert client(owner()).post(URL, sent, format="json").status_code == 200


def test_put_drops_pairs_that_became_illegal_but_no_wildcards(acme: Organization) -> None:
    http = client(owner())
    http.post(URL, body("cleaner", one()), format="json")
    kept = http.put(URL, body("cleaner", one(), one("unicorn"), one("file", "delete")), format="json")
    assert kept.json()["organization_permissions"] == [one(negate=False)]
    assert http.put(URL, body("cleaner", one("*", "*")), format="json").status_code == 400
    assert http.put(URL, body("cleaner", one(negate=True)), format="json").status_code == 400


def test_nobody_grants_what_they_do_not_hold(acme: Organization) -> None:
    admin = client(person("admin", memberships={acme: ["organization-admin"]}))
    refused = admin.post(URL, body("x", one("workspace", "ssh"), one("user_secret", "read")), format="json")
    assert refused.status_code == 403
    assert [entry["detail"] for entry in refused.json()["validations"]] == [
        "workspace: ssh",
        "user_secret: read",
    ]
    assert admin.post(URL, body("x", one("workspace", "update")), format="json").status_code == 200
    taken = admin.post(URL, body("X", one()), format="json")
    assert taken.status_code == 409


@pytest.mark.parametrize("role", ["organization-user-admin", "organization-template-admin", None])
def test_who_may_not_make_roles(acme: Organization, role: str | None) -> None:
    http = client(person("x", memberships={acme: [role] if role else []}))
    assert http.post(URL, body("x"), format="json").status_code == 403
    CustomRole.objects.create(organization=acme, name="x")
    assert http.put(URL, body("x"), format="json").status_code == 403
    assert http.delete(f"{URL}/x").status_code == 403
    assert client(person("stranger")).delete(f"{URL}/x").status_code == 404


# --- role names in requests -------------------------------------------------------------------------------


def test_roles_may_be_written_as_identifiers_of_the_same_organization(acme: Organization) -> None:
    http = client(owner())
    person("ada", memberships={acme: []})
    url = "/api/v2/organizations/acme/members/ada/roles"
    named = http.put(url, {"roles": [f"organization-auditor:{acme.id}"]}, format="json")
    assert [role["name"] for role in named.json()["roles"]] == ["organization-auditor"]


@pytest.mark.parametrize(
    ("roles", "says"),
    [
        (["a:b:c"], "write it as name"),
        ([""], "write it as name"),
        ([":"], "write it as name"),
        (["organization-auditor:"], "write it as name"),
        (["organization-auditor:7d1f0f5e-0d7c-4d36-9a55-1c9a3c0f9b1e"], "another organization"),
        (["owner"], "not a supported role"),
        (["nonsense"], '"nonsense" is not a supported role'),
        (["organization-auditor", "nonsense"], "not a supported role"),
    ],
)
def test_malformed_mixed_and_unknown_roles_change_nothing(
    acme: Organization, roles: list[str], says: str
) -> None:
    http = client(owner())
    person("ada", memberships={acme: ["organization-template-admin"]})
    refused = http.put("/api/v2/organizations/acme/members/ada/roles", {"roles": roles}, format="json")
    assert refused.status_code == 400
    assert says in refused.json()["message"]
    assert OrganizationMember.objects.get(user__username="ada").roles == ["organization-template-admin"]


def test_site_and_organization_roles_do_not_mix(acme: Organization) -> None:
    http = client(owner())
    ada = person("ada")
    mixed = {"roles": ["auditor", f"organization-admin:{acme.id}"]}
    refused = http.put("/api/v2/users/ada/roles", mixed, format="json")
    assert refused.status_code == 400
    assert "together with site roles" in refused.json()["message"]
    ada.refresh_from_db()
    assert ada.rbac_roles == []
