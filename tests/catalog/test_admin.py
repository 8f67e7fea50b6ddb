"""The stock admin asks the policy for each model, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from coder_admin.organizations.models import Organization, User

from .factories import make_template, make_user

pytestmark = pytest.mark.django_db


def test_owner_reads_and_nobody_writes(
    organization: Organization, admin: User, member: User, login: Callable[[User], APIClient]
) -> None:
    template = make_template(admin, organization, "docker")
    owner = login(make_user(roles=["owner"]))
    for path in ("catalog/template/", "catalog/templateversion/", "files/file/"):
        assert owner.get(f"/admin/{path}").status_code == 200
        assert owner.get(f"/admin/{path}add/").status_code == 403
        assert login(member).get(f"/admin/{path}").status_code in (302, 403, 404)
    shown = owner.get(f"/admin/catalog/templateversion/{template.active_version_id}/change/")
    assert shown.status_code == 200
    changed = owner.post(f"/admin/catalog/template/{template.id}/change/", {"name": "x"})
    assert changed.status_code == 403
