"""What no view ever sees."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.people import client, json_of, owner

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "path",
    [
        "/api/v2/organizations/%00",
        "/api/v2/organizations/a%00b/members",
        "/api/v2/users/%00",
        "/api/v2/workspaces?q=name:%00",
        "/api/v2/templates?q=%00",
    ],
)
def test_a_nul_in_an_address_of_the_api_is_a_400(path: str) -> None:
    response = client(owner()).get(path)
    assert response.status_code == 400
    body = json_of(response)
    assert "NUL" in body["detail"]
    assert body["validations"] == []


def test_a_nul_in_the_address_of_a_page_is_a_400() -> None:
    http = Client()
    http.force_login(owner())
    for path in ("/workspaces?q=%00", "/templates/%00"):
        assert http.get(path).status_code == 400


def test_a_percent_sign_that_only_looks_like_a_nul_passes() -> None:
    assert client(owner()).get("/api/v2/workspaces?q=%2500").status_code == 200
