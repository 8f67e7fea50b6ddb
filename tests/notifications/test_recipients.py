"""The three sets of people that are called template admins (notifications reference 1.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from coder_admin.notifications.recipients import (
    organization_template_admins,
    owners_and_template_admins,
    site_template_admins,
)
from coder_admin.organizations.models import User
from tests.people import default_organization, organization, person

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Row:
    """Somebody, and of which sets they are one: of the site, of the organization, with the owners."""

    name: str
    site: bool
    organization: bool
    with_owners: bool
    roles: Sequence[str] = ()
    own_roles: Sequence[str] = ()  # in the organization
    member: bool = True
    fields: tuple[tuple[str, object], ...] = ()


PEOPLE = (
    Row("admin", True, True, True, roles=["template-admin"]),
    Row("away", True, False, True, roles=["template-admin"], member=False),
    Row("boss", False, False, True, roles=["owner"]),
    Row("both", True, True, True, roles=["owner", "template-admin"]),
    Row("curator", False, False, False, own_roles=["organization-template-admin"]),
    Row("deleted", False, False, False, roles=["template-admin"], fields=(("deleted", True),)),
    Row("idle", True, True, True, roles=["template-admin"], fields=(("status", "dormant"),)),
    Row("initiator", True, True, False, roles=["template-admin"]),
    Row("people", False, False, False, roles=["user-admin"]),
    Row("plain", False, False, False),
    Row("suspended", False, False, False, roles=["template-admin"], fields=(("status", "suspended"),)),
)


def test_who_is_a_template_admin() -> None:
    here, elsewhere = default_organization(), organization("elsewhere")
    ids = {}
    for row in reversed(PEOPLE):  # the sets are sorted by name, not by age
        where = here if row.member else elsewhere
        ids[row.name] = person(row.name, roles=row.roles, memberships={where: row.own_roles}).id
        if row.fields:
            User.objects.filter(username=row.name).update(**dict(row.fields))
    names = {key: name for name, key in ids.items()}
    found = (
        site_template_admins(),
        organization_template_admins(here.id),
        owners_and_template_admins(but_not=[ids["initiator"]]),
    )
    assert [[names[key] for key in keys] for keys in found] == [
        [row.name for row in PEOPLE if row.site],
        [row.name for row in PEOPLE if row.organization],
        [row.name for row in PEOPLE if row.with_owners],
    ]
