"""Where the pages of audited things are, for the trail. Ids that are not asked for cost nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.urls import reverse

from coder_admin.audit.choices import AuditedType
from coder_admin.audit.resources import Linked, register
from coder_admin.catalog.models import Template, TemplateVersion
from coder_admin.organizations.models import Group, Organization, User
from coder_admin.workspaces.models import Workspace, WorkspaceBuild


def register_links() -> None:
    """Called once, when the applications are ready."""
    register(AuditedType.TEMPLATE, _finder(_templates, _template))
    register(AuditedType.TEMPLATE_VERSION, _finder(_versions, _version))
    register(AuditedType.WORKSPACE, _finder(_workspaces, _workspace))
    register(AuditedType.WORKSPACE_BUILD, _finder(_builds, _build))
    register(AuditedType.USER, _finder(_users, _user))
    register(AuditedType.ORGANIZATION_MEMBER, _finder(_users, _user))
    register(AuditedType.GROUP, _finder(_groups, _group))
    register(AuditedType.ORGANIZATION, _finder(_organizations, _organization))


def _finder(
    rows: Callable[[], QuerySet[Any]], link: Callable[[Any], Linked]
) -> Callable[[Collection[str]], Mapping[str, Linked]]:
    def find(ids: Collection[str]) -> Mapping[str, Linked]:
        return {str(row.pk): link(row) for row in rows().filter(pk__in=_uuids(ids))}

    return find


def _uuids(texts: Collection[str]) -> list[UUID]:
    found = []
    for text in texts:
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found


def _page(deleted: bool, name: str, *arguments: object) -> Linked:
    return Linked("" if deleted else reverse(f"dashboard:{name}", args=arguments), deleted)


def _templates() -> QuerySet[Template]:
    return Template.objects.select_related("organization")


def _template(row: Template) -> Linked:
    return _page(row.deleted, "template", row.organization.name, row.name)


def _versions() -> QuerySet[TemplateVersion]:
    return TemplateVersion.objects.select_related("template__organization")


def _version(row: TemplateVersion) -> Linked:
    template = row.template
    if template is None:
        return Linked()
    return _page(template.deleted, "version", template.organization.name, template.name, row.name)


def _workspaces() -> QuerySet[Workspace]:
    return Workspace.objects.select_related("owner")


def _workspace(row: Workspace) -> Linked:
    return _page(row.deleted, "workspace", row.owner.username, row.name)


def _builds() -> QuerySet[WorkspaceBuild]:
    return WorkspaceBuild.objects.select_related("workspace__owner")


def _build(row: WorkspaceBuild) -> Linked:
    workspace = row.workspace
    return _page(workspace.deleted, "build", workspace.owner.username, workspace.name, row.build_number)


def _users() -> QuerySet[User]:
    rows: QuerySet[User] = User.objects.all()
    return rows


def _user(row: User) -> Linked:
    link = f"{reverse('dashboard:people')}?filter={row.username}"
    return Linked("" if row.deleted else link, row.deleted)


def _groups() -> QuerySet[Group]:
    return Group.objects.all()


def _group(row: Group) -> Linked:
    return Linked(reverse("dashboard:groups"))


def _organizations() -> QuerySet[Organization]:
    return Organization.objects.all()


def _organization(row: Organization) -> Linked:
    link = f"{reverse('dashboard:workspaces')}?organization={row.name}"
    return Linked("" if row.deleted else link, row.deleted)
