from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from coder_admin.notifications import kinds
from coder_admin.notifications.kinds import ActionTemplate, Group, Icon, Kind
from coder_admin.organizations.models import User
from tests.people import person


@pytest.fixture
def user(db: None) -> User:
    return person("ada")


@pytest.fixture
def kind() -> Iterator[Kind]:
    """A kind as a room would register it."""
    made = kinds.register(
        Kind(
            id=uuid.uuid4(),
            name="Workspace Deleted",
            title_template="Workspace {{ labels.name }} deleted",
            body_template="**{{ labels.name }}** of {{ user_name }} was deleted.\n\n- [more](/docs)",
            actions=(
                ActionTemplate("View {{ labels.name }}", "{{ base_url }}/@{{ labels.name|urlencode }}"),
            ),
            group=Group.WORKSPACE,
            icon=Icon.WORKSPACE,
        )
    )
    yield made
    kinds._kinds.pop(made.id)
