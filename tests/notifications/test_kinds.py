"""The kinds of the reference, section 1.1: names, ids, groups and defaults are exact."""

from __future__ import annotations

import re
import uuid
from html.parser import HTMLParser

import pytest

from coder_admin.foundation.markdown import to_html
from coder_admin.notifications import kinds
from coder_admin.notifications.kinds import ActionTemplate, Kind, register
from coder_admin.notifications.rendering import render, render_actions

WORKSPACE, TEMPLATE, USER = "Workspace Events", "Template Events", "User Events"
REFERENCE = {
    "281fdf73-c6d6-4cbb-8ff5-888baf8a2fff": ("Workspace Created", WORKSPACE, False),
    "d089fe7b-d5c5-4c0c-aaf5-689859f7d392": ("Workspace Manually Updated", WORKSPACE, False),
    "f517da0b-cdc9-410f-ab89-a86107c420ed": ("Workspace Deleted", WORKSPACE, True),
    "381df2a9-c0c0-4749-420f-80a9280c66f9": ("Workspace Autobuild Failed", WORKSPACE, True),
    "0ea69165-ec14-4314-91f1-69566ac3c5a0": ("Workspace Marked as Dormant", WORKSPACE, True),
    "c34a0c09-0704-4cac-bd1c-0c0146811c2b": ("Workspace Updated Automatically", WORKSPACE, True),
    "51ce2fdf-c9ca-4be1-8d70-628674f9bc42": ("Workspace Marked for Deletion", WORKSPACE, True),
    "2faeee0f-26cb-4e96-821c-85ccb9f71513": ("Workspace Manual Build Failed", WORKSPACE, True),
    # Template Events in the newer of the two reference files (prebuilds.md 8.2).
    "89d9745a-816e-4695-a17f-3d0a229e2b8d": ("Prebuilt Workspace Resource Replaced", TEMPLATE, True),
    "414d9331-c1fc-4761-b40c-d1f4702279eb": ("Prebuild Failure Limit Reached", TEMPLATE, True),
    "4e19c0ac-94e1-4532-9515-d1801aa283b2": ("User account created", USER, True),
    "f44d9314-ad03-4bc8-95d0-5cad491da6b6": ("User account deleted", USER, True),
    "b02ddd82-4733-4d02-a2d7-c36f3598997d": ("User account suspended", USER, True),
    "9f5af851-8408-4e73-a7a1-c6502ba46689": ("User account activated", USER, True),
    "6a2f0609-9b69-4d36-a989-9f5925b6cbff": ("Your account suspended", USER, True),
    "1a6a6bea-ee0a-43e2-9e7c-eabdb53730e4": ("Your account activated", USER, True),
    "29a09665-2a4c-403f-9648-54301670e7be": ("Template Deleted", TEMPLATE, True),
    "f40fae84-55a2-42cd-99fa-b41c1ca64894": ("Template Deprecated", TEMPLATE, True),
    "34a20db2-e9cc-4a93-b0e4-8569699d7a00": ("Report: Workspace Builds Failed", TEMPLATE, True),
    "c425f63e-716a-4bf4-ae24-78348f706c3f": ("Test Notification", "Notification Events", True),
}


@pytest.mark.parametrize("id_", REFERENCE)
def test_a_kind_of_the_reference(id_: str) -> None:
    kind = kinds.find(uuid.UUID(id_))
    assert kind is not None
    assert (kind.name, kind.group, kind.enabled_by_default) == REFERENCE[id_]


def registered() -> list[Kind]:
    return [
        kind for kind in kinds.all_kinds() if str(kind.id) in REFERENCE or kind.name.startswith("Template")
    ]


@pytest.mark.parametrize("kind", registered(), ids=lambda kind: kind.name)
def test_every_text_renders_and_every_action_leads_home(kind: Kind) -> None:
    labels = re.findall(r"labels\.(\w+)", " ".join(_texts(kind)))
    payload = {
        "labels": dict.fromkeys(labels, "x<b>*"),
        "data": {"templates": [], "report_frequency": "week", "replacements": {"a.b": "c"}},
        "user_username": "ada",
        "user_name": "Ada",
    }
    text = render(kind, payload)
    assert text.title
    assert text.body
    assert "{{" not in text.title + text.body
    assert kind.summary
    for action in render_actions(kind.actions, payload):
        assert re.fullmatch(r"http://[^/\s<>]+/[^\s<>*]*", action["url"]), action
    if kind.digest is None:
        return
    incident = {**dict.fromkeys(labels, "x"), "at": "2026-01-01T00:00:00+00:00"}
    digest = {"count": 12, "incidents": [incident] * 10, "more": 2, "since": "", "until": ""}
    told = render(kind, {**payload, "data": {"digest": digest}})
    assert "12" in told.title
    assert told.body


EVIL = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "[x](javascript:alert(1))",
    "![x](https://evil.example/x.png)",
    "**bold** `code` <https://evil.example>",
    "x) [y](javascript:alert(1)",
    "a\n\n# heading\n\n<b>x</b>",
]


@pytest.mark.parametrize("name", EVIL)
@pytest.mark.parametrize("kind", registered(), ids=lambda kind: kind.name)
def test_nothing_in_a_name_becomes_markup_in_any_message(kind: Kind, name: str) -> None:
    """As it is shown on the page and in the mail, which both turn the text into HTML by the same way."""
    labels = dict.fromkeys(re.findall(r"\.(\w+)", " ".join(_texts(kind))), name)
    build = {"workspace_owner_username": name, "workspace_name": name, "build_number": 1}
    version = {"template_version_name": name, "failed_count": 2, "failed_builds": [build]}
    report = {"name": name, "display_name": name, "versions": [version]}
    payload = {
        "labels": labels,
        "data": {"templates": [report], "report_frequency": "week", "replacements": {name: name}},
        "user_username": name,
        "user_name": name,
    }
    incident = {**labels, "replacements": {name: name}, "replacements_more": 1}
    incidents = {"count": 2, "incidents": [incident], "more": 1}
    for data in (payload["data"], {"digest": incidents}):
        text = render(kind, {**payload, "data": data})
        for html in (to_html(text.body), to_html(text.title_markdown)):
            found = _Parts()
            found.feed(html)
            assert found.tags <= {"p", "strong", "em", "ul", "ol", "li", "a", "code", "blockquote"}, html
            assert found.attributes <= {"href", "rel"}, html
            assert all(re.match(r"(http://[^/\s]+/@|https://coder\.com/docs/)", link) for link in found.links)
    actions = render_actions(kind.actions, payload)
    assert all(re.fullmatch(r"http://[^/\s<>]+/[^\s<>\"]*", action["url"]) for action in actions)


class _Parts(HTMLParser):
    """What a piece of HTML consists of."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name == "href"]


def _texts(kind: Kind) -> list[str]:
    found = [kind.title_template, kind.body_template, *(action.url for action in kind.actions)]
    if kind.digest is not None:
        found += [kind.digest.title_template, kind.digest.body_template]
    return found


def test_an_id_belongs_to_one_kind() -> None:
    register(kinds.TEST)  # the same again is harmless
    other = Kind(
        id=kinds.TEST.id,
        name="Other",
        title_template="t",
        body_template="b",
        actions=(ActionTemplate("a", "/"),),
    )
    with pytest.raises(ValueError, match="taken by 'Test Notification'"):
        register(other)
