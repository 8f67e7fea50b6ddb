"""What happens before `up` serves."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from coder_admin.foundation.errors import Conflict, Invalid
from coder_admin.operations import demo, prepare, server
from coder_admin.organizations.models import Organization
from coder_admin.organizations.services.bootstrap import ensure_initial_admin
from coder_admin.organizations.services.organizations import organization_delete
from rbac.django import subject_for


def test_one_instance_per_data_folder(tmp_path: Path) -> None:
    first = prepare.only_instance(tmp_path)
    first.__enter__()
    with pytest.raises(Conflict, match="--data"), prepare.only_instance(tmp_path):
        pass
    first.__exit__(None, None, None)
    with prepare.only_instance(tmp_path):
        pass


def test_a_free_port_is_found() -> None:
    with server.bind("127.0.0.1", 0) as listener:
        assert listener.getsockname()[1] > 0


def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(Invalid, match="--port"):
        server.bind("127.0.0.1", taken.getsockname()[1])


@pytest.mark.parametrize("host", ["192.0.2.1", "a" * 64])
def test_an_address_of_somebody_else_or_of_nobody_is_refused(host: str) -> None:
    with pytest.raises(Invalid, match="--host"):
        server.bind(host, 0)


@pytest.mark.django_db
def test_the_demo_is_made_once_and_stays_as_people_leave_it() -> None:
    said: list[str] = []
    demo.seed(said.append)
    assert said == []  # nobody there yet who could own it
    admin, printed = ensure_initial_admin(None)
    assert admin is not None
    assert printed
    demo.seed(said.append)
    organization = Organization.objects.get(name="demo")
    names = [t.name for t in demo.TEMPLATES]
    assert sorted(organization.templates.values_list("name", flat=True)) == sorted(names)
    assert len(said) == len(names)

    organization.templates.filter(name="analytics").update(deleted=True)
    demo.seed(said.append)
    assert len(said) == len(names)

    organization.templates.update(deleted=True)
    organization_delete(subject_for(admin), organization=organization)
    demo.seed(said.append)
    assert len(said) == len(names)
    assert not Organization.objects.filter(name="demo", deleted=False).exists()


@pytest.mark.django_db
def test_the_database_is_up_to_date_in_tests() -> None:
    prepare.probe_database()
    assert prepare.pending_migrations() == 0
