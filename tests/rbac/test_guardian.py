"""Guardian's own answer about an object and the policy's access list are the same after any change that
people can make: members who come and go, groups that are filled, emptied and deleted, grants given and
taken."""

from __future__ import annotations

import random
import uuid
from typing import Any

import pytest
from guardian.core import ObjectPermissionChecker

from coder_admin.catalog.models import TEMPLATE_ACL, Template
from coder_admin.catalog.services.access import acl_update
from coder_admin.organizations import services
from coder_admin.organizations.models import Group, OrganizationMember, User
from coder_admin.workspaces.models import WORKSPACE_ACL, Workspace
from coder_admin.workspaces.sharing import workspace_acl_update
from rbac import SystemSubject, acting_as
from rbac.django import subject_for
from rbac.grants import AclTables
from tests.people import organization, owner, person, subject

pytestmark = pytest.mark.django_db


class Deployment:
    """Two organizations of four people, each with a group, a template and a shared workspace."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.boss = subject(owner())
        self.orgs = [organization("acme"), organization("other")]
        self.people = [person(f"p{n}", memberships={self.orgs[n % 2]: []}) for n in range(4)]
        self.templates = [
            Template.objects.create(organization=org, name="t", created_by=self.people[0])
            for org in self.orgs
        ]
        self.workspaces = [
            Workspace.objects.create(organization=org, template=template, owner=self.people[n], name="w")
            for n, (org, template) in enumerate(zip(self.orgs, self.templates, strict=True))
        ]

    def step(self) -> None:
        """One random change by the services of the product."""
        n = self.random.randrange(2)
        org, who = self.orgs[n], self.random.choice(self.people)
        member = OrganizationMember.objects.filter(organization=org, user=who).first()
        groups = list(Group.objects.filter(organization=org).exclude(id=org.id))
        match self.random.randrange(7):
            case 0 if member is None:
                services.member_add(self.boss, organization=org, user=who)
            case 1 if member is not None:
                services.member_remove(self.boss, member=member)
            case 2:
                services.group_create(self.boss, organization=org, name=f"g-{uuid.uuid4().hex[:6]}")
            case 3 if groups and member is not None:
                services.group_update(self.boss, group=self.random.choice(groups), add_users=[who])
            case 4 if groups:
                services.group_update(self.boss, group=self.random.choice(groups), remove_users=[who])
            case 5 if groups:
                services.group_delete(self.boss, group=self.random.choice(groups))
            case _:
                self.grant(n, who if member else None, [*groups, Group.objects.get(id=org.id)])

    def grant(self, n: int, who: User | None, groups: list[Group]) -> None:
        role = self.random.choice(["use", "admin", ""])
        users = {str(who.id): role} if who is not None else {}
        listed = {str(self.random.choice(groups).id): self.random.choice(["use", "admin", ""])}
        acl_update(actor=self.boss, template=self.templates[n], user_perms=users, group_perms=listed)
        workspace_acl_update(
            actor=self.boss, workspace=self.workspaces[n], user_roles=users, group_roles=listed
        )

    def compare(self) -> None:
        for tables, rows in ((TEMPLATE_ACL, self.templates), (WORKSPACE_ACL, self.workspaces)):
            for row in rows:
                for user in self.people:
                    by_guardian = by_guardian_of(tables, User.objects.get(pk=user.pk), row)
                    assert by_guardian == by_policy(tables, user, row), (str(user), str(row))


def by_guardian_of(tables: AclTables, user: User, row: Any) -> set[str]:
    return set(ObjectPermissionChecker(user).get_perms(row)) & set(tables.actions)


def by_policy(tables: AclTables, user: User, row: Any) -> set[str]:
    """The codenames whose actions the access list gives the user, by the policy's reading of the rows."""
    who = subject_for(User.objects.get(pk=user.pk))
    fresh = type(row).objects.get(pk=row.pk).rbac_object()
    held = [fresh.acl_users.get(who.id, frozenset())]
    held += [fresh.acl_groups.get(group, frozenset()) for group in who.all_groups if fresh.org in who.orgs]
    return {name for name, actions in tables.actions.items() if actions in held}


@pytest.mark.parametrize("seed", range(4))
def test_guardian_and_policy_agree_after_every_change(seed: int) -> None:
    here = Deployment(seed)
    for _ in range(30):
        here.step()
        here.compare()


def test_who_leaves_an_organization_loses_what_was_granted_there_only() -> None:
    here = Deployment(0)
    who = here.people[0]
    services.member_add(here.boss, organization=here.orgs[1], user=who)
    for n in range(2):
        acl_update(actor=here.boss, template=here.templates[n], user_perms={str(who.id): "use"})
        workspace_acl_update(actor=here.boss, workspace=here.workspaces[n], user_roles={str(who.id): "admin"})
    member = OrganizationMember.objects.get(organization=here.orgs[1], user=who)
    services.member_remove(here.boss, member=member)
    kept = subject(who)
    assert set(Template.objects.visible_to(kept)) == {here.templates[0]}
    assert set(Workspace.objects.visible_to(kept)) == {here.workspaces[0]}


def test_grant_made_by_guardian_itself_counts_in_the_policy() -> None:
    from guardian.shortcuts import assign_perm, remove_perm

    here = Deployment(0)
    who, template = here.people[0], here.templates[0]
    assign_perm("catalog.use_template", who, template)
    assert Template.objects.visible_to(subject(who)).get() == template
    assert who.has_perm("catalog.use_template", Template.objects.get(pk=template.pk))
    assign_perm("workspaces.use_workspace", who, here.workspaces[0])
    remove_perm("catalog.use_template", who, template)
    assert not Template.objects.visible_to(subject(who)).exists()
    assert here.workspaces[0] in Workspace.objects.visible_to(subject(who))


def test_system_subject_needs_no_grant() -> None:
    Deployment(0)
    with acting_as(SystemSubject.PREBUILDS_ORCHESTRATOR, reason="a test reads as the pool") as actor:
        assert Template.objects.visible_to(actor).count() == 2
