"""The explanation agrees with the decision on random worlds, and names the role or grant that decided."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given

from coder_admin.catalog.models import TEMPLATE_ACL, Template
from coder_admin.organizations.models import PREBUILDS_USER_ID, User
from coder_admin.workspaces.models import Workspace
from rbac import Action, IllegalAction, RbacObject, ResourceType, Role, Scope, Subject, allowed
from rbac.explain import Step, explain, roles_that_allow, sentence
from rbac.model import PREBUILDS_USER_ID as PREBUILDS
from rbac.model import SCOPE_APPLICATION_CONNECT
from rbac.prebuilt import workspace_allowed
from rbac.roles import bans, grants, org_role, site_role
from tests.people import default_organization, owner, person
from tests.rbac.strategies import actions, objects, subjects

ORG, ME = "org-1", "me"
TEMPLATE = RbacObject(ResourceType.TEMPLATE, id="t", org=ORG)
PREBUILD = RbacObject(ResourceType.WORKSPACE, id="w", org=ORG, owner=PREBUILDS)


@given(who=subjects, obj=objects, action=actions)
def test_explanation_equals_decision(who: Subject, obj: RbacObject, action: Action) -> None:
    told = explain(who, action, obj)
    assert told.allowed is allowed(who, action, obj)
    assert told.allowed is (told.decisive.level > 0)
    assert told.decisive.level == 0 or told.decisive in told.findings
    assert sentence(told)


def who(*roles: Role, **fields: Any) -> Subject:
    return Subject(ME, "me", roles, **fields)


@pytest.mark.parametrize(
    ("subject", "obj", "text"),
    [
        (who(site_role("owner")), TEMPLATE, "granted by the role owner at the site level"),
        (
            who(site_role("owner"), site_role("template-admin")),
            TEMPLATE,
            "granted by the roles owner and template-admin at the site level",
        ),
        (
            who(org_role("organization-admin", ORG)),
            TEMPLATE,
            "granted by the role organization-admin:org-1 at the organization level",
        ),
        (who(Role("b", site=bans(template="read"))), TEMPLATE, "banned by the role b at the site level"),
        (who(org_role("organization-member", ORG)), TEMPLATE, "nothing grants it"),
        (
            who(org_role("organization-member", ORG)),
            replace(TEMPLATE, acl_groups={ORG: ["read"]}),
            "granted by the access list: group org-1",
        ),
        (
            who(Role("b", site=bans(template="read"))),
            replace(TEMPLATE, acl_users={ME: ["*"]}),
            "granted by the access list: user",
        ),
        (
            who(site_role("owner"), scope=SCOPE_APPLICATION_CONNECT),
            TEMPLATE,
            "the token's scope does not include the action (Scope_application_connect)",
        ),
        (
            who(site_role("owner"), scope=Scope(site_role("owner"), frozenset({"other"}))),
            TEMPLATE,
            "the token is limited to other objects (owner)",
        ),
        (
            who(site_role("member")),
            RbacObject(ResourceType.FILE, id="f", owner=ME),
            "granted by the role member at the user level",
        ),
    ],
)
def test_what_decided_is_named(subject: Subject, obj: RbacObject, text: str) -> None:
    assert sentence(explain(subject, Action.READ, obj)) == text


def test_prebuild_is_explained_by_both_questions() -> None:
    told = explain(who(site_role("template-admin")), Action.DELETE, PREBUILD)
    assert told.allowed
    assert not told.decisive.level
    assert told.fallback is not None
    assert told.fallback.object.type is ResourceType.PREBUILT_WORKSPACE
    assert sentence(told) == (
        "granted by the role template-admin at the site level (asked as a prebuilt workspace)"
    )
    for action in (Action.START, Action.READ, Action.UPDATE):
        for role in (site_role("template-admin"), site_role("auditor"), org_role("organization-admin", ORG)):
            assert explain(who(role), action, PREBUILD).allowed is workspace_allowed(
                who(role), action, PREBUILD
            )


def test_owner_without_membership_is_told_so() -> None:
    told = explain(who(site_role("member")), Action.READ, replace(PREBUILD, owner=ME))
    [user] = [finding for finding in told.findings if finding.step is Step.USER]
    assert user.why == "the owner is not a member of its organization"


def test_illegal_action_is_a_programming_error_here_too() -> None:
    with pytest.raises(IllegalAction):
        explain(who(), Action.SSH, TEMPLATE)


def test_roles_that_would_help_are_those_that_do() -> None:
    nobody = who(site_role("member"))
    assert roles_that_allow(nobody, Action.UPDATE, TEMPLATE) == [
        "owner",
        "template-admin",
        "organization-admin:org-1",
        "organization-template-admin:org-1",
    ]
    banned = who(Role("b", site=bans(template="*")), Role("x", org={ORG: grants(template="*")}))
    assert roles_that_allow(banned, Action.UPDATE, TEMPLATE) == []


# --- the command ----------------------------------------------------------------------------------------


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("rbac_explain", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def template(db: None) -> Template:
    boss = owner()
    return Template.objects.create(organization=default_organization(), name="docker", created_by=boss)


@pytest.mark.django_db
def test_command_names_organization_group_and_missing_roles(template: Template) -> None:
    person("ada")
    org = default_organization().name
    told = run("ada", "use", f"template:{org}/docker")
    assert told.startswith(f"ada may not use template {template.id}: nothing grants it.\n")
    assert f"organization-template-admin:{org}" in told
    assert "member of the object" not in told
    TEMPLATE_ACL.set_group(template, default_organization().id, "use_template")
    assert f"ada may use template {template.id}: granted by the access list: group {org}." in run(
        "ada", "use", f"template:{template.id}"
    )
    assert "boss may create template in " in run("boss", "create", f"template@{org}")
    assert "may create workspace in" in run("ada", "create", f"workspace@{org}/ada")
    assert "may not create workspace in" in run("ada", "create", f"workspace@{org}/boss")
    assert "may read organization" in run("ada", "read", "organization@any")
    assert "ada may read assign role: granted by the role member" in run("ada", "read", "assign_role")


@pytest.mark.django_db
def test_command_explains_a_prebuild_twice_and_prints_json(template: Template) -> None:
    person("curator", roles=["template-admin"])
    Workspace.objects.create(
        organization=default_organization(), owner_id=PREBUILDS_USER_ID, template=template, name="p-1"
    )
    assert "Asked again as a prebuilt workspace:" in run("curator", "delete", "workspace:prebuilds/p-1")
    told = json.loads(run("curator", "start", "workspace:prebuilds/p-1", "--json"))
    assert (told["allowed"], told["as_prebuilt_workspace"]) == (False, [])
    assert [step["step"] for step in told["steps"]] == [str(step) for step in Step]
    assert "owner" in told["roles_that_would_allow"]


@pytest.mark.django_db
def test_command_tells_that_a_suspended_user_has_no_rights(template: Template) -> None:
    User.objects.filter(username="boss").update(status="suspended")
    assert "a suspended, deleted or system user has no rights" in run("boss", "read", "template")
    assert "has no rights" in run("prebuilds", "read", "template")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nobody", "read", "template"), 'There is no user "nobody"'),
        (("boss", "fly", "template"), '"fly" is no action of template; it has: create, delete'),
        (("boss", "read", "unicorn"), '"unicorn" is no resource type. Types: api_key'),
        (("boss", "read", "prebuilt_workspace"), '"read" is no action of prebuilt_workspace'),
        (("boss", "read", "template:nope"), "Write its id, or template:ORGANIZATION/TEMPLATE."),
        (("boss", "read", "workspace:ada/x"), "Write its id, or workspace:OWNER/WORKSPACE."),
        (("boss", "read", "template@nowhere"), 'There is no organization "nowhere"'),
        (("boss", "create", "workspace@coder/nobody"), 'There is no user "nobody"'),
        (("boss", "read", "license:7"), "Write its id."),
    ],
)
def test_command_refuses_with_one_line(template: Template, arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
