"""The compiled queryset filter and `authorize` give the same answer on every row of random worlds."""

from __future__ import annotations

import random
from typing import Any

import pytest
from django.contrib.auth.models import Group as AuthGroup
from django.db.models import Q

from coder_admin.catalog.models import TEMPLATE_ACL, Template
from coder_admin.files.models import File
from coder_admin.organizations.managers import GROUP_FIELDS, MEMBER_FIELDS, ORGANIZATION_FIELDS, USER_FIELDS
from coder_admin.organizations.models import Group, Organization, OrganizationMember, User
from coder_admin.workspaces.models import Workspace
from rbac import Action, IllegalAction, Permission, ResourceType, Role, Scope, Subject, allowed
from rbac.filters import EVERYTHING, NOTHING, FieldMap, visible_q
from rbac.model import LEGAL_ACTIONS, SCOPE_ALL
from rbac.roles import ORG_ROLES, SITE_ROLES, org_role, site_role

WORKSPACE_MAPS = (
    FieldMap(
        ResourceType.WORKSPACE, org="organization_id", owner="owner_id", where=Q(dormant_at__isnull=True)
    ),
    FieldMap(
        ResourceType.WORKSPACE_DORMANT,
        org="organization_id",
        owner="owner_id",
        where=Q(dormant_at__isnull=False),
    ),
)
SOMEBODY = "11111111-1111-4111-8111-111111111111"
TEMPLATE_MAP = TEMPLATE_ACL.field_map(ResourceType.TEMPLATE)


class World:
    """Three organizations with groups, templates with grants, workspaces and files, all by one seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.users = [self._user(f"u{seed}-{i}") for i in range(4)]
        self.orgs = [Organization.objects.create(name=f"o{seed}-{i}") for i in range(3)]
        self.groups = [self._group(org, name) for org in self.orgs for name in ("Everyone", "devs")]
        for org in self.orgs:
            for user in self.random.sample(self.users, 2):
                OrganizationMember.objects.create(organization=org, user=user)
        self.templates = [self._template(i) for i in range(9)]
        for i in range(10):
            self._workspace(i)
        for i in range(4):
            File.objects.create(
                hash=f"{seed}-{i}",
                mimetype="application/x-tar",
                data=b"",
                size=0,
                created_by=self.random.choice(self.users),
            )

    def _user(self, name: str) -> User:
        return User.objects.create(username=name, email=f"{name}@example.com")

    def _group(self, org: Organization, name: str) -> Group:
        fields: dict[str, Any] = {"id": org.id} if name == "Everyone" else {}
        auth_group = AuthGroup.objects.create(name=f"{org.id}/{name}")
        return Group.objects.create(organization=org, name=name, auth_group=auth_group, **fields)

    def _template(self, number: int) -> Template:
        org = self.random.choice(self.orgs)
        template = Template.objects.create(organization=org, name=f"t{number}", created_by=self.users[0])
        for user in self.random.sample(self.users, self.random.randint(0, 2)):
            TEMPLATE_ACL.set_user(template, user.id, self.random.choice(["use_template", "admin_template"]))
        for group in self.random.sample(self.groups, self.random.randint(0, 2)):
            TEMPLATE_ACL.set_group(template, group.id, self.random.choice(["use_template", "admin_template"]))
        return template

    def _workspace(self, number: int) -> None:
        template = self.random.choice(self.templates)
        Workspace.objects.create(
            organization_id=template.organization_id,
            owner=self.random.choice(self.users),
            template=template,
            name=f"w{number}",
            dormant_at="2026-01-01T00:00Z" if self.random.random() < 0.3 else None,
        )

    def subject(self) -> Subject:
        pick = self.random.choice
        roles: list[Role] = [site_role("member")] if self.random.random() < 0.8 else []
        if self.random.random() < 0.3:
            roles.append(site_role(pick(SITE_ROLES)))
        for org in self.orgs:
            if self.random.random() < 0.6:
                roles += [org_role(pick(ORG_ROLES), str(org.id)) for _ in range(self.random.randint(1, 2))]
        if self.random.random() < 0.5:
            roles.append(self._odd_role())
        groups = {str(g.id) for g in self.random.sample(self.groups, self.random.randint(0, 3))}
        return Subject(
            str(pick(self.users).id), "random", tuple(roles), frozenset(groups), scope=self._scope()
        )

    def _permissions(self) -> tuple[Permission, ...]:
        types: list[Any] = [ResourceType.TEMPLATE, ResourceType.WORKSPACE, ResourceType.FILE, "*"]
        return tuple(
            Permission(
                self.random.choice(types),
                self.random.choice(["*", Action.READ, Action.CREATE]),
                negate=self.random.random() < 0.5,
            )
            for _ in range(self.random.randint(0, 2))
        )

    def _odd_role(self) -> Role:
        org = str(self.random.choice(self.orgs).id)
        return Role("odd", site=self._permissions(), org={org: self._permissions()}, user=self._permissions())

    def _scope(self) -> Scope:
        kind = self.random.random()
        if kind < 0.7:
            return SCOPE_ALL
        if kind < 0.85:
            return Scope(self._odd_role())
        named = {str(t.id) for t in self.random.sample(self.templates, 3)}
        return Scope(SCOPE_ALL.role, allow_ids=frozenset(named))


CASES: list[tuple[Any, tuple[FieldMap, ...]]] = [
    (Template, (TEMPLATE_MAP,)),
    (Workspace, WORKSPACE_MAPS),
    (File, (FieldMap(ResourceType.FILE, owner="created_by_id"),)),
    (User, (USER_FIELDS,)),
    (Organization, (ORGANIZATION_FIELDS,)),
    (OrganizationMember, (MEMBER_FIELDS,)),
    (Group, (GROUP_FIELDS,)),
]


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(8))
def test_filter_equals_authorize_on_every_row(seed: int) -> None:
    world = World(seed)
    rows_of = {model: [(row.pk, row.rbac_object()) for row in model.objects.all()] for model, _ in CASES}
    some_rows_seen = some_rows_hidden = 0
    for _ in range(12):
        who = world.subject()
        for model, maps in CASES:
            for action in sorted(LEGAL_ACTIONS[maps[0].type]):
                seen = set(model.objects.filter(visible_q(who, action, *maps)).values_list("pk", flat=True))
                rows = rows_of[model]
                expected = {key for key, obj in rows if allowed(who, action, obj)}
                assert seen == expected, (model.__name__, action, who)
                some_rows_seen += len(expected)
                some_rows_hidden += len(rows) - len(expected)
    # The worlds are worth something only when both answers occur.
    assert some_rows_seen > 100
    assert some_rows_hidden > 100


@pytest.mark.django_db
def test_filter_of_a_list_is_one_query_and_attached_lists_are_two_more(
    django_assert_num_queries: Any,
) -> None:
    world = World(99)
    who = Subject(str(world.users[0].id), "x", (site_role("owner"),))
    with django_assert_num_queries(3):
        rows = list(Template.objects.filter(visible_q(who, Action.READ, TEMPLATE_MAP)))
        TEMPLATE_ACL.attach(rows)
        assert all(allowed(who, Action.READ, row.rbac_object()) for row in rows)
    assert len(rows) == 9


def test_site_role_compiles_to_no_condition_and_nobody_to_none() -> None:
    owner = Subject(SOMEBODY, roles=(site_role("owner"),))
    assert visible_q(owner, Action.READ, TEMPLATE_MAP) is EVERYTHING
    assert visible_q(Subject(""), Action.READ, TEMPLATE_MAP) is NOTHING
    assert visible_q(Subject(SOMEBODY), Action.READ, WORKSPACE_MAPS[0]) is NOTHING


def test_everything_survives_being_combined() -> None:
    assert str(EVERYTHING | Q(pk=1)) != str(Q(pk=1))


def test_action_that_no_type_of_the_list_has_is_a_programming_error() -> None:
    with pytest.raises(IllegalAction):
        visible_q(Subject(SOMEBODY), Action.ASSIGN, TEMPLATE_MAP)


@pytest.mark.django_db
def test_grant_is_replaced_removed_and_refused_when_unknown() -> None:
    world = World(7)
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
    world = World(8)
    template, user = world.templates[0], world.users[3]
    TEMPLATE_ACL.set_user(template, user.id, "use_template")
    from guardian.shortcuts import get_user_perms

    assert "use_template" in get_user_perms(user, template)
