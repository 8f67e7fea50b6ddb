"""Rows that tests of files, catalog and parameters start from."""

from __future__ import annotations

import io
import tarfile
import uuid
import zipfile
from collections.abc import Mapping
from typing import Any

from django.db import transaction

from coder_admin.catalog.imports import ImportResult
from coder_admin.catalog.models import Template, TemplateVersion
from coder_admin.catalog.services import template_create, template_version_create, version_import_complete
from coder_admin.files.models import File
from coder_admin.files.services import file_store
from coder_admin.organizations.models import Group, GroupMember, Organization, OrganizationMember, User
from coder_admin.provisioning.services import job_complete_without_worker
from rbac.django import subject_for
from rbac.model import Subject


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


def make_organization(name: str = "") -> Organization:
    """An organization with its group Everyone."""
    from django.contrib.auth.models import Group as AuthGroup

    organization = Organization.objects.create(name=name or unique("org"))
    auth = AuthGroup.objects.create(name=str(organization.id))
    Group.objects.create(id=organization.id, organization=organization, auth_group=auth, name="Everyone")
    return organization


def make_user(
    organization: Organization | None = None,
    *,
    roles: list[str] | None = None,
    org_roles: list[str] | None = None,
    **fields: Any,
) -> User:
    """A user with site roles, and a member with organization roles where one is given."""
    name = fields.pop("username", unique("user"))
    user = User.objects.create_user(name, f"{name}@example.com", "secret", rbac_roles=roles or [], **fields)
    if organization is not None:
        OrganizationMember.objects.create(organization=organization, user=user, roles=org_roles or [])
    return user


def make_group(organization: Organization, name: str, *members: User) -> Group:
    from django.contrib.auth.models import Group as AuthGroup

    auth = AuthGroup.objects.create(name=unique("group"))
    group = Group.objects.create(organization=organization, auth_group=auth, name=name)
    for member in members:
        GroupMember.objects.create(group=group, user=member)
    return group


def actor_of(user: User) -> Subject:
    """The user's subject, read anew: roles may have changed since."""
    return subject_for(User.objects.get(pk=user.pk))


def tar_of(files: Mapping[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            data = content if isinstance(content, bytes) else content.encode()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def zip_of(files: Mapping[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def make_file(user: User, files: Mapping[str, str | bytes] | None = None) -> File:
    content = files if files is not None else {"main.tf": f"# {uuid.uuid4()}\n"}
    return file_store(actor=actor_of(user), data=tar_of(content), content_type="application/x-tar")[0]


def make_version(
    user: User,
    organization: Organization,
    *,
    template: Template | None = None,
    done: bool = True,
    result: ImportResult | None = None,
    **fields: Any,
) -> TemplateVersion:
    """A version whose import has succeeded with ``result``, or with ``done=False`` still waits."""
    actor = actor_of(user)
    version = template_version_create(
        actor=actor,
        organization=organization,
        file=fields.pop("file", None) or make_file(user),
        template=template,
        **fields,
    )
    if done:
        with transaction.atomic():
            job_complete_without_worker(actor=actor, job_id=version.job_id)
            version_import_complete(version_id=version.id, result=result or ImportResult())
    return TemplateVersion.objects.select_related("job", "template", "created_by").get(pk=version.pk)


def make_template(user: User, organization: Organization, name: str = "", **fields: Any) -> Template:
    version = fields.pop("version", None) or make_version(
        user, organization, result=fields.pop("result", None)
    )
    return template_create(
        actor=actor_of(user), organization=organization, name=name or unique("t"), version=version, **fields
    )
