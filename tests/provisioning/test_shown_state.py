"""What a page shows of a state: everything but what is sensitive, for the states of both engines."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from coder_admin.provisioning.engines.shown_state import HIDDEN, ShownResource, shown_state
from tests.provisioning.embedded.conftest import Space, space

__all__ = ["space"]


def values(shown: ShownResource) -> dict[str, str]:
    return {a.name: a.value for a in shown.attributes}


def test_the_embedded_engine_s_state(space: Space) -> None:
    source = """
        variable "key" {
          default   = "s3cret-key"
          sensitive = true
        }
        resource "random_password" "p" { length = 20 }
        resource "coder_agent" "a" {
          os   = "linux"
          arch = "amd64"
        }
        resource "terraform_data" "t" {
          input = { public = "seen", inner = { key = var.key }, password = "named" }
        }
    """
    state = space.ok(source).state
    password = json.loads(state)["resources"]
    shown = {r.address: values(r) for r in shown_state(state)}
    text = str(shown)
    for row in password:
        for name in ("result", "token"):
            secret = row["attributes"].get(name)
            assert not secret or secret not in text
    assert "s3cret-key" not in text
    assert "named" not in text
    assert "seen" in shown["terraform_data.t"]["input"]
    assert shown["coder_agent.a"]["os"] == "linux"
    assert shown["random_password.p"]["result"] == HIDDEN


def test_terraform_s_state() -> None:
    state = {
        "version": 4,
        "terraform_version": "1.15.0",
        "resources": [
            {
                "mode": "managed",
                "module": "module.m[0]",
                "type": "docker_container",
                "name": "dev",
                "instances": [
                    {
                        "index_key": "a",
                        "attributes": {"env": {"A": "x", "B": "hush"}, "image": "go", "password": "hush"},
                        "sensitive_attributes": [
                            [{"type": "get_attr", "value": "env"}, {"type": "index", "value": "B"}]
                        ],
                    }
                ],
            },
            {"mode": "data", "type": "coder_workspace", "name": "me", "instances": []},
        ],
    }
    (shown,) = shown_state(json.dumps(state).encode())
    assert shown.address == 'module.m[0].docker_container.dev["a"]'
    assert "hush" not in str(shown)
    assert values(shown)["image"] == "go"


@given(
    st.binary(max_size=40)
    | st.recursive(st.none() | st.integers(), st.lists, max_leaves=4).map(
        lambda x: json.dumps({"resources": x}).encode()
    )
)
def test_what_is_no_state_shows_nothing(state: Any) -> None:
    assert shown_state(state) == ()
