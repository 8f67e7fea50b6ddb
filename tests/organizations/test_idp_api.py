"""Sync settings, claim names and values, and the dry run, over HTTP."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from coder_admin.audit.models import AuditLog
from coder_admin.foundation.models import SiteConfig
from coder_admin.organizations import services
from coder_admin.organizations.models import GroupMember, Organization, OrganizationMember, UserLink
from tests.people import client, default_organization, json_of, organization, owner, person, subject

pytestmark = pytest.mark.django_db
URL = "/api/v2"
SITE = f"{URL}/settings/idpsync"


def of(name: str) -> str:
    return f"{URL}/organizations/{name}/settings/idpsync"


def patch(http: Any, url: str, body: dict[str, Any]) -> Any:
    return http.patch(url, body, format="json")


@pytest.fixture
def acme() -> Organization:
    return organization("acme")


def test_organization_sync_is_off_at_first_and_kept_once_set(acme: Organization) -> None:
    http = client(owner())
    url = f"{SITE}/organization"
    assert json_of(http.get(url)) == {"field": "", "mapping": {}, "organization_assign_default": True}
    body = {"field": "orgs", "mapping": {"a": [str(acme.id)]}, "organization_assign_default": False}
    assert json_of(patch(http, url, body)) == body
    config = patch(http, f"{url}/config", {"field": "o", "assign_default": True})
    assert json_of(config) == {"field": "o", "mapping": body["mapping"], "organization_assign_default": True}
    default = str(default_organization().id)
    pairs = {
        "add": [{"given": "b", "gets": default}],
        "remove": [{"given": "a", "gets": str(acme.id)}, {"given": "z", "gets": default}],
    }
    assert json_of(patch(http, f"{url}/mapping", pairs))["mapping"] == {"b": [default]}
    rows = AuditLog.objects.filter(resource_type="idp_sync_settings_organization").order_by("time")
    assert [sorted(row.diff) for row in rows] == [
        ["field", "mapping", "organization_assign_default"],
        ["field", "organization_assign_default"],
        ["mapping"],
    ]
    assert rows[0].diff["field"] == {"old": "", "new": "orgs", "secret": False}
    patch(http, f"{url}/config", {"field": "o", "assign_default": True})
    assert rows.count() == 3  # nothing changed, nothing audited
    assert SiteConfig.objects.filter(key="organization-sync-settings").exists()


def test_runtime_entry_wins_over_the_environment_as_a_whole(settings: Any, acme: Organization) -> None:
    settings.OIDC_ORGANIZATION_FIELD = "from-env"
    settings.OIDC_ORGANIZATION_MAPPING = {"a": [str(acme.id), "broken"]}
    settings.OIDC_GROUP_FIELD, settings.OIDC_GROUP_MAPPING = "groups", {"old": "new"}
    http = client(owner())
    shown = json_of(http.get(f"{SITE}/organization"))
    assert (shown["field"], shown["mapping"]) == ("from-env", {"a": [str(acme.id)]})
    body = {"field": "", "mapping": {}, "organization_assign_default": False}
    assert json_of(patch(http, f"{SITE}/organization", body))["field"] == ""
    assert json_of(http.get(f"{SITE}/organization"))["mapping"] == {}
    assert json_of(http.get(f"{of('coder')}/groups"))["legacy_group_name_mapping"] == {"old": "new"}
    assert json_of(http.get(f"{of('acme')}/groups"))["field"] == ""


def test_group_and_role_sync_are_each_organizations_own(acme: Organization) -> None:
    admin = person("admin", memberships={acme: ["organization-admin"]})
    group = services.group_create(subject(owner()), organization=acme, name="devs")
    http = client(admin)
    body = {
        "field": "groups",
        "mapping": {"a": [str(group.id)]},
        "regex_filter": "^x",
        "auto_create_missing_groups": True,
    }
    assert json_of(patch(http, f"{of('acme')}/groups", body)) == body
    config = {"field": "g", "regex_filter": None, "auto_create_missing_groups": False}
    assert json_of(patch(http, f"{of('acme')}/groups/config", config))["mapping"] == body["mapping"]
    pairs = {"remove": [{"given": "a", "gets": str(group.id)}]}
    assert json_of(patch(http, f"{of('acme')}/groups/mapping", pairs))["mapping"] == {}
    roles = {"field": "roles", "mapping": {"lead": ["organization-admin"]}}
    assert json_of(patch(http, f"{of('acme')}/roles", roles)) == roles
    assert json_of(patch(http, f"{of('acme')}/roles/config", {"field": "r"}))["field"] == "r"
    pairs = {"add": [{"given": "x", "gets": "organization-auditor"}]}
    assert json_of(patch(http, f"{of('acme')}/roles/mapping", pairs))["mapping"]["x"] == [
        "organization-auditor"
    ]
    assert json_of(client(owner("root")).get(f"{of('coder')}/roles"))["field"] == ""
    kinds = AuditLog.objects.filter(organization=acme).values_list("resource_type", flat=True)
    assert {"idp_sync_settings_group", "idp_sync_settings_role"} <= set(kinds)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("groups", {"field": "g", "regex_filter": "("}, "regex_filter"),
        ("groups", {"field": "g", "legacy_group_name_mapping": {"a": "b"}}, "legacy_group_name_mapping"),
        ("groups", {"field": "g", "mapping": {"a": [str(uuid.uuid4())]}}, "mapping"),
        ("groups", {"field": "g", "mapping": {"a": ["x"]}}, "mapping"),
        ("groups", {"field": "g", "mapping": {"a": "x"}}, "mapping.a"),
        ("groups", {"field": "g", "mapping": ["x"]}, "mapping"),
        ("groups", {"field": "g", "mapping": {"": ["x"]}}, "mapping"),
        ("groups", {"field": 5 * ["x"]}, "field"),
        ("groups", {"field": "x" * 300}, "field"),
        ("groups", {}, "field"),
        ("groups/mapping", {"add": [{"given": "a", "gets": "x"}]}, "mapping"),
        ("groups/mapping", {"add": [{"given": "a"}]}, "add.0.gets"),
        ("roles", {"field": "r", "mapping": {"a": ["nonsense"]}}, "roles"),
        ("roles", {"field": "r", "mapping": {"a": ["a:b:c"]}}, "roles"),
        ("roles", {"field": "r", "mapping": {"a": ["owner"]}}, "roles"),
    ],
)
def test_bad_settings_are_named_and_change_nothing(
    acme: Organization, path: str, body: dict[str, Any], field: str
) -> None:
    http = client(owner())
    response = patch(http, f"{of('acme')}/{path}", body)
    assert response.status_code == 400, response.content
    assert field in {wrong["field"] for wrong in response.json()["validations"]}
    assert not SiteConfig.objects.filter(key__contains=str(acme.id)).exists()
    assert not AuditLog.objects.filter(resource_type__startswith="idp_sync").exists()


def test_group_of_another_organization_cannot_be_mapped(acme: Organization) -> None:
    boss = owner()
    other = services.group_create(subject(boss), organization=default_organization(), name="devs")
    body = {"field": "g", "mapping": {"a": [str(other.id)]}}
    assert patch(client(boss), f"{of('acme')}/groups", body).status_code == 400


def test_setting_that_names_something_deleted_since_can_still_be_edited(acme: Organization) -> None:
    boss = owner()
    http = client(boss)
    group = services.group_create(subject(boss), organization=acme, name="devs")
    body = {"field": "g", "mapping": {"a": [str(group.id)]}}
    assert patch(http, f"{of('acme')}/groups", body).status_code == 200
    services.group_delete(subject(boss), group=group)
    assert patch(http, f"{of('acme')}/groups", body | {"regex_filter": "x"}).status_code == 200


def test_role_that_one_may_not_hand_out_cannot_be_mapped(acme: Organization) -> None:
    """Else whoever may edit the sync could make themselves admin at the next login."""
    admin = person("uadmin", memberships={acme: ["organization-user-admin"]})
    http = client(admin)
    body = {"field": "r", "mapping": {"me": ["organization-admin"]}}
    assert patch(http, f"{of('acme')}/roles", body).status_code == 403
    assert patch(client(owner()), f"{of('acme')}/roles", body).status_code == 200
    assert patch(http, f"{of('acme')}/roles", body | {"field": "x"}).status_code == 200


def test_without_the_right_it_is_403_and_of_others_404(acme: Organization) -> None:
    member = client(person("ada", memberships={acme: []}))
    stranger = client(person("bob"))
    paths = ("groups", "roles", "available-fields", "field-values?claimField=x")
    for path in paths:
        assert member.get(f"{of('acme')}/{path}").status_code == 403, path
        assert stranger.get(f"{of('acme')}/{path}").status_code == 404, path
    for path in ("organization", "available-fields", "field-values?claimField=x"):
        assert member.get(f"{SITE}/{path}").status_code == 403, path
    assert patch(member, f"{of('acme')}/groups", {"field": "g"}).status_code == 403
    assert member.post(f"{SITE}/dry-run", {"claims": {}}, format="json").status_code == 403
    assert member.post(f"{of('acme')}/dry-run", {"claims": {}}, format="json").status_code == 403
    assert client(person("u", roles=["user-admin"])).get(f"{SITE}/organization").status_code == 200
    assert client(person("o", roles=["auditor"])).get(f"{SITE}/organization").status_code == 403


def test_fields_and_values_are_those_people_came_with(acme: Organization) -> None:
    ada, bob = person("ada", memberships={acme: []}), person("bob")
    UserLink.objects.create(user=ada, issuer="i", subject="1", claims={"groups": ["a", "b"], "n": 1})
    UserLink.objects.create(user=bob, issuer="i", subject="2", claims={"groups": "c", "o": {"x": 1}})
    http = client(owner())
    assert json_of(http.get(f"{SITE}/available-fields")) == ["groups", "n", "o"]
    assert json_of(http.get(f"{of('acme')}/available-fields")) == ["groups", "n"]
    assert json_of(http.get(f"{SITE}/field-values", {"claimField": "groups"})) == ["a", "b", "c"]
    assert json_of(http.get(f"{of('acme')}/field-values", {"claimField": "groups"})) == ["a", "b"]
    assert json_of(http.get(f"{SITE}/field-values", {"claimField": "o"})) == []
    assert http.get(f"{SITE}/field-values").status_code == 400


def test_dry_run_says_what_would_change_and_changes_nothing(acme: Organization) -> None:
    boss = owner()
    http = client(boss)
    ada = person("ada", memberships={acme: ["organization-auditor"]})
    body = {"field": "orgs", "mapping": {"d": [str(default_organization().id)], "a": [str(acme.id)]}}
    patch(http, f"{SITE}/organization", body)
    patch(http, f"{of('acme')}/groups", {"field": "groups", "auto_create_missing_groups": True})
    patch(http, f"{of('acme')}/roles", {"field": "roles"})
    claims = {"orgs": ["a", "d"], "groups": ["new"], "roles": ["organization-admin"]}
    before = OrganizationMember.objects.count(), GroupMember.objects.count(), AuditLog.objects.count()
    answer = json_of(http.post(f"{SITE}/dry-run", {"user": "ada", "claims": claims}, format="json"))
    assert answer["organizations"] == {"join": [str(default_organization().id)], "leave": []}
    assert answer["groups"][0]["create"] == ["new"]
    assert answer["roles"] == [
        {
            "organization_id": str(acme.id),
            "before": ["organization-auditor"],
            "after": ["organization-admin"],
        }
    ]
    here = json_of(http.post(f"{of('acme')}/dry-run", {"user": "ada", "claims": claims}, format="json"))
    assert here["organizations"] == {"join": [], "leave": []}
    newcomer = json_of(http.post(f"{SITE}/dry-run", {"claims": {"orgs": "a"}}, format="json"))
    assert newcomer["organizations"]["join"] == [str(acme.id)]
    after = OrganizationMember.objects.count(), GroupMember.objects.count(), AuditLog.objects.count()
    assert after == before
    assert ada.memberships.get().roles == ["organization-auditor"]
    refused: list[dict[str, Any]] = [
        {"claims": {"orgs": 3}},
        {"claims": []},
        {},
        {"claims": {}, "user": "nobody"},
    ]
    for bad in refused:
        assert http.post(f"{SITE}/dry-run", bad, format="json").status_code == 400


def test_dry_run_tells_of_a_login_that_would_be_refused(settings: Any) -> None:
    settings.OIDC_GROUP_FIELD, settings.OIDC_ALLOWED_GROUPS = "groups", ["staff"]
    http = client(owner())
    for groups, refused in ((["staff"], False), (["guests"], True)):
        answer = http.post(f"{SITE}/dry-run", {"claims": {"groups": groups}}, format="json").json()
        assert any("would be refused" in note for note in answer["notes"]) is refused


def test_dry_run_costs_the_same_for_many_organizations(django_assert_num_queries: Any) -> None:
    from coder_admin.organizations.idp.loading import load_world

    ada = person("ada")
    with django_assert_num_queries(7):
        load_world(ada)
    for number in range(5):
        org = organization(f"org-{number}")
        services.member_add(subject(owner(f"b{number}")), organization=org, user=ada)
    with django_assert_num_queries(7):
        load_world(ada)
