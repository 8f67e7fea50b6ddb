"""Frames of the websocket: what is read, what is refused, and that ids of answers always increase."""

import json
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coder_admin.parameters.protocol import FIRST_ID, FormRequest, FrameError, parse_frame, response_id

OWNER = "6f1b2c3d-0000-4000-8000-000000000001"


def test_request_is_read() -> None:
    frame = json.dumps({"id": 7, "inputs": {"a": "1", "b": ""}, "owner_id": OWNER, "other": 1})
    assert parse_frame(frame) == FormRequest(7, {"a": "1", "b": ""}, UUID(OWNER))
    assert parse_frame("{}") == FormRequest(0, {}, None)
    assert (
        parse_frame('{"id": 1, "inputs": null, "owner_id": "00000000-0000-0000-0000-000000000000"}').owner_id
        is None
    )


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (None, "Binary"),
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 50_000, "not JSON"),
        ("[]", "JSON object"),
        ('{"id": "1"}', '"id"'),
        ('{"id": true}', '"id"'),
        ('{"id": 1.5}', '"id"'),
        ('{"id": 1e400}', '"id"'),
        ('{"inputs": []}', '"inputs"'),
        ('{"inputs": {"a": 1}}', '"inputs"'),
        ('{"inputs": {"a": null}}', '"inputs"'),
        ('{"inputs": {"a": "\\ud800"}}', "surrogate"),
        ('{"inputs": {"\\udfff": "1"}}', "surrogate"),
        ('{"owner_id": "me"}', '"owner_id"'),
        ('{"owner_id": 3}', '"owner_id"'),
    ],
)
def test_frames_that_are_no_request(frame: str | None, reason: str) -> None:
    with pytest.raises(FrameError, match=reason):
        parse_frame(frame)


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=30))
def test_ids_of_answers_strictly_increase(requested: list[int]) -> None:
    last, sent = FIRST_ID - 1, []
    for number in [FIRST_ID, *requested]:
        last = response_id(last, number)
        sent.append(last)
    assert sent[0] == FIRST_ID
    assert sent == sorted(set(sent))


@given(
    st.text(max_size=60)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["id", "inputs", "owner_id", "x"]), inner)
        ),
        max_leaves=6,
    ).map(json.dumps)
)
def test_any_text_is_a_request_or_refused(frame: str) -> None:
    try:
        request = parse_frame(frame)
    except FrameError as refusal:
        message = str(refusal)
    else:
        message = "read"
        assert all(isinstance(value, str) for value in request.inputs.values())
    assert message
