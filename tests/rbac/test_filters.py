"""The compiled queryset filter and `authorize` give the same answer on every row of random worlds."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group as AuthGroup
from django.db import transaction
from django.db.models import Q, QuerySet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coder_admin.audit.models import AuditLog
from coder_admin.audit.selectors import FIELDS as AUDIT_FIELDS
from coder_admin.catalog.models import TEMPLATE_ACL, Template, TemplateVersion
from coder_admin.files.admin import FILE_FIELDS
from coder_admin.files.models import File
from coder_admin.organizations.models import PREBUILDS_USER_ID, Group, Organization, OrganizationMember, User
from coder_admin.provisioning.models import ProvisionerJob
from coder_admin.provisioning.selectors import JOB_FIELDS
from coder_admin.workspaces.models import WORKSPACE_ACL, Workspace, WorkspaceBuild
from rbac import Action, IllegalAction, Permission, ResourceType, Role, Scope, Subject, allowed
from rbac.django import may
from rbac.filters import EVERYTHING, NOTHING, FieldMap, visible_q
from rbac.grants import AclTables
from rbac.model import LEGAL_ACTIONS, SCOPE_ALL
from rbac.roles import ORG_ROLES, SITE_ROLES, org_role, site_role

SOMEBODY = "11111111-1111-4111-8111-111111111111"
TEMPLATE_MAP = TEMPLATE_ACL.field_map(ResourceType.TEMPLATE)
WORKSPACE_MAP = FieldMap(ResourceType.WORKSPACE, org="organization_id", owner="owner_id")


class World:
    """Three organizations with groups, templates, workspaces, builds, jobs and files, and grants on them;
    what is where is drawn from `choose`."""

    def __init__(self, choose: random.Random) -> None:
        self.random = choose
        self.mark = uuid.uuid4().hex[:8]
        self.users = [self._user(f"u{self.mark}-{i}") for i in range(4)]
        self.orgs = [Organization.objects.create(name=f"o{self.mark}-{i}") for i in range(3)]
        self.groups = [self._group(org, name) for org in self.orgs for name in ("Everyone", "devs")]
        for org in self.orgs:
            for user in self._some(self.users, 2):
                OrganizationMember.objects.create(organization=org, user=user)
        self.files = [self._file(i) for i in range(4)]
        self.templates = [self._template(i) for i in range(6)]
        self.workspaces = [self._workspace(i) for i in range(8)]
        for place in (None, *self.orgs):
            AuditLog.objects.create(organization=place, resource_type="template", action="write")

    def _some(self, rows: list[Any], most: int) -> list[Any]:
        return self.random.sample(rows, self.random.randint(0, most))

    def _user(self, name: str) -> User:
        return User.objects.create(username=name, email=f"{name}@example.com")

    def _group(self, org: Organization, name: str) -> Group:
        fields: dict[str, Any] = {"id": org.id} if name == "Everyone" else {}
        auth_group = AuthGroup.objects.create(name=f"{org.id}/{name}")
        return Group.objects.create(organization=org, name=name, auth_group=auth_group, **fields)

    def _file(self, number: int) -> File:
        owner = self.random.choice(self.users)
        return File.objects.create(hash=f"{self.mark}-{number}", data=b"", size=0, created_by=owner)

    def _grant(self, tables: AclTables, row: Any) -> None:
        names = sorted(tables.actions)
        for user in self._some(self.users, 2):
            tables.set_user(row, user.id, self.random.choice(names))
        for group in self._some(self.groups, 2):
            tables.set_group(row, group.id, self.random.choice(names))

    def _template(self, number: int) -> Template:
        org = self.random.choice(self.orgs)
        template = Template.objects.create(organization=org, name=f"t{number}", created_by=self.users[0])
        self._grant(TEMPLATE_ACL, template)
        for row in (template, None):
            job = self._job(org)
            TemplateVersion.objects.create(
                template=row, organization=org, name=f"v{number}", created_by=self.users[0], job=job
            )
        return template

    def _job(self, org: Organization) -> ProvisionerJob:
        return ProvisionerJob.objects.create(
            organization=org, initiator=self.users[0], type="template_version_import"
        )

    def _workspace(self, number: int) -> Workspace:
        template = self.random.choice(self.templates)
        prebuilds = User.objects.get(pk=PREBUILDS_USER_ID)
        workspace = Workspace.objects.create(
            organization_id=template.organization_id,
            owner=self.random.choice([*self.users, prebuilds]),
            template=template,
            name=f"w{self.mark}-{number}",
            dormant_at="2026-01-01T00:00Z" if self.random.randint(0, 3) == 0 else None,
        )
        self._grant(WORKSPACE_ACL, workspace)
        WorkspaceBuild.objects.create(
            workspace=workspace,
            template_version=TemplateVersion.objects.filter(template=template).get(),
            build_number=1,
            transition="start",
            initiator=self.users[0],
            job=self._job(template.organization),
        )
        return workspace

    def subjects(self) -> st.SearchStrategy[Subject]:
        """Somebody with built-in and odd roles, groups, and now and then a token with a narrow scope."""
        orgs = st.sampled_from([str(org.id) for org in self.orgs])
        permissions = st.lists(
            st.builds(
                Permission,
                resource_type=st.sampled_from([*_TYPES, "*"]),
                action=st.sampled_from(["*", Action.READ, Action.CREATE]),
                negate=st.booleans(),
            ),
            max_size=2,
        ).map(tuple)
        odd = st.builds(
            lambda org, site, inside, user: Role("odd", site=site, org={org: inside}, user=user),
            orgs, permissions, permissions, permissions,
        )  # fmt: skip
        roles = (
            st.sampled_from(SITE_ROLES).map(site_role)
            | st.builds(org_role, st.sampled_from(ORG_ROLES), orgs)
            | odd
        )
        ids = st.sampled_from([str(row.pk) for row in (*self.templates, *self.workspaces)])
        scopes = (
            st.just(SCOPE_ALL)
            | st.builds(Scope, role=odd)
            | st.builds(Scope, role=st.just(SCOPE_ALL.role), allow_ids=st.frozensets(ids, max_size=3))
        )
        return st.builds(
            Subject,
            id=st.sampled_from([str(user.id) for user in self.users]),
            roles=st.lists(roles, max_size=4).map(tuple),
            groups=st.frozensets(st.sampled_from([str(group.id) for group in self.groups])),
            scope=scopes,
        )


_TYPES = [ResourceType.TEMPLATE, ResourceType.WORKSPACE, ResourceType.WORKSPACE_DORMANT]
_TYPES += [ResourceType.ORGANIZATION, ResourceType.GROUP, ResourceType.AUDIT_LOG]


def mapped(model: Any, *maps: FieldMap) -> Callable[[Subject, Action], QuerySet[Any]]:
    return lambda who, action: model.objects.filter(visible_q(who, action, *maps))


# The filters that the product uses, each with its rows and how a row is judged one by one.
CASES: list[tuple[Any, ResourceType, Callable[[Subject, Action], QuerySet[Any]], Callable[[Any], Any]]] = [
    (Template, ResourceType.TEMPLATE, Template.objects.visible_to, lambda row: row),
    (TemplateVersion, ResourceType.TEMPLATE, TemplateVersion.objects.visible_to, lambda row: row),
    (Workspace, ResourceType.WORKSPACE, Workspace.objects.visible_to, lambda row: row),
    (WorkspaceBuild, ResourceType.WORKSPACE, WorkspaceBuild.objects.visible_to, lambda row: row.workspace),
    (File, ResourceType.FILE, mapped(File, FILE_FIELDS), lambda row: row),
    (User, ResourceType.USER, User.objects.visible_to, lambda row: row),
    (Organization, ResourceType.ORGANIZATION, Organization.objects.visible_to, lambda row: row),
    (
        OrganizationMember,
        ResourceType.ORGANIZATION_MEMBER,
        OrganizationMember.objects.visible_to,
        lambda row: row,
    ),
    (Group, ResourceType.GROUP, Group.objects.visible_to, lambda row: row),
    (AuditLog, ResourceType.AUDIT_LOG, mapped(AuditLog, AUDIT_FIELDS), lambda row: row),
    (ProvisionerJob, ResourceType.PROVISIONER_JOBS, mapped(ProvisionerJob, JOB_FIELDS), lambda row: row),
]


@pytest.mark.django_db
@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)
@given(choose=st.randoms(use_true_random=False), data=st.data())
def test_filter_equals_authorize_on_every_row(choose: random.Random, data: st.DataObject) -> None:
    mark = transaction.savepoint()
    try:
        world = World(choose)
        for _ in range(4):
            compare(data.draw(world.subjects()))
    finally:
        transaction.savepoint_rollback(mark)


def compare(who: Subject) -> None:
    """Every row of every list under every action: the filter's answer against the policy's."""
    for model, type_, filtered, judged in CASES:
        rows = [(row.pk, judged(row)) for row in model.objects.all()]
        for action in sorted(LEGAL_ACTIONS[type_]):
            seen = set(filtered(who, action).values_list("pk", flat=True))
            assert seen == {key for key, row in rows if may(who, action, row)}, (model.__name__, action)


@pytest.mark.django_db
def test_random_worlds_hold_both_answers() -> None:
    """Without this, filters that show nothing in worlds where nobody may anything would pass."""
    world = World(random.Random(4))
    org = str(world.orgs[0].id)
    member = Subject(str(world.users[0].id), "x", (site_role("member"), org_role("organization-member", org)))
    for model in (Template, Workspace):
        seen, rows = model.objects.visible_to(member).count(), model.objects.count()
        assert 0 < seen < rows


@pytest.mark.django_db
def test_filter_of_a_list_is_one_query_and_attached_lists_are_two_more(
    django_assert_num_queries: Any,
) -> None:
    world = World(random.Random(99))
    who = Subject(str(world.users[0].id), "x", (site_role("owner"),))
    with django_assert_num_queries(3):
        rows = list(Template.objects.filter(visible_q(who, Action.READ, TEMPLATE_MAP)))
        TEMPLATE_ACL.attach(rows)
        assert all(allowed(who, Action.READ, row.rbac_object()) for row in rows)
    assert len(rows) == 6


def test_site_role_compiles_to_no_condition_and_nobody_to_none() -> None:
    owner = Subject(SOMEBODY, roles=(site_role("owner"),))
    assert visible_q(owner, Action.READ, TEMPLATE_MAP) is EVERYTHING
    assert visible_q(Subject(""), Action.READ, TEMPLATE_MAP) is NOTHING
    assert visible_q(Subject(SOMEBODY), Action.READ, WORKSPACE_MAP) is NOTHING


def test_everything_survives_being_combined() -> None:
    assert str(EVERYTHING | Q(pk=1)) != str(Q(pk=1))


def test_action_that_no_type_of_the_list_has_is_a_programming_error() -> None:
    with pytest.raises(IllegalAction):
        visible_q(Subject(SOMEBODY), Action.ASSIGN, TEMPLATE_MAP)


@pytest.mark.django_db
def test_grant_is_replaced_removed_and_refused_when_unknown() -> None:
    world = World(random.Random(7))
    template, user = world.templates[0], world.users[3]
    TEMPLATE_ACL.set_user(template, user.id, "use_template")
    TEMPLATE_ACL.set_user(template, user.id, "admin_template")
    assert TEMPLATE_ACL.of(template).users[str(user.id)] == {"*"}
    TEMPLATE_ACL.set_user(template, user.id, None)
    assert str(user.id) not in TEMPLATE_ACL.of(template).users
    with pytest.raises(ValueError, match="is not a grant"):
        TEMPLATE_ACL.set_user(template, user.id, "rule_template")


@pytest.mark.django_db
def test_guardian_reads_the_same_grant() -> None:
    world = World(random.Random(8))
    template, user = world.templates[0], world.users[3]
    TEMPLATE_ACL.set_user(template, user.id, "use_template")
    from guardian.shortcuts import get_user_perms

    assert "use_template" in get_user_perms(user, template)
