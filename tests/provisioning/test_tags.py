"""Tags: normalising and matching."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coder_admin.provisioning import tags

NAMES = st.sampled_from(["scope", "owner", "region", "gpu", "os"])
TAGS = st.dictionaries(NAMES, st.sampled_from(["", "user", "organization", "eu", "us"]), max_size=4)


@given(TAGS)
def test_normalising_is_idempotent(written: dict[str, str]) -> None:
    once = tags.normalise(written, user_id="u1")
    assert tags.normalise(once, user_id="u1") == once
    assert once["scope"] in {"user", "organization"}
    assert (once["owner"] == "u1") == (once["scope"] == "user")


@given(TAGS, TAGS)
def test_a_tagged_job_matches_any_daemon_that_has_all_its_tags(
    job: dict[str, str], more: dict[str, str]
) -> None:
    job = tags.normalise(job, user_id="u1")
    daemon = {**more, **job}
    if job != tags.UNTAGGED:
        assert tags.matches(job, daemon)
    for name in job:
        without = {k: v for k, v in daemon.items() if k != name}
        assert not tags.matches(job, without)


@given(TAGS)
def test_an_untagged_job_matches_an_untagged_daemon_only(daemon: dict[str, str]) -> None:
    daemon = tags.normalise(daemon, user_id="u1")
    assert tags.matches(tags.UNTAGGED, daemon) == (daemon == tags.UNTAGGED)


def test_user_scope_needs_the_user() -> None:
    with pytest.raises(tags.TagError, match="need the user"):
        tags.normalise({"scope": "user"})


def test_an_owner_without_user_scope_is_dropped() -> None:
    assert tags.normalise({"owner": "somebody", "scope": "planet"}) == tags.UNTAGGED


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("a=b", {"a": "b"}),
        (" a = b , c= ", {"a": "b", "c": ""}),
        ("a=b=c", {"a": "b=c"}),
        (",,", {}),
    ],
)
def test_parse(text: str, expected: dict[str, str]) -> None:
    assert tags.parse(text) == expected


@pytest.mark.parametrize("text", ["a", "=b", "a=b,c"])
def test_parse_refuses_what_is_no_tag(text: str) -> None:
    with pytest.raises(tags.TagError, match="name=value"):
        tags.parse(text)


def test_to_text_leaves_out_what_everything_has() -> None:
    assert tags.to_text({**tags.UNTAGGED, "b": "2", "a": "1"}) == "a=1, b=2"
    assert tags.to_text(tags.UNTAGGED) == "no tags"
