"""Names come from people: nothing in them may become markup anywhere."""

from __future__ import annotations

import uuid
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coder_admin.foundation.markdown import readme_html, to_html, to_text
from coder_admin.notifications.kinds import ActionTemplate, Kind
from coder_admin.notifications.rendering import RenderError, render, render_actions

KIND = Kind(
    id=uuid.uuid4(),
    name="Sample",
    title_template="About {{ labels.name }}",
    body_template="Look at **{{ labels.name }}**, says {{ user_name }}.\n\n- {{ labels.name }}\n- `fixed`",
)


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def _shown(name: str) -> tuple[list[str], str, str]:
    body = render(KIND, {"labels": {"name": name}, "user_name": "Ada"}).body
    found = _Elements()
    found.feed(to_html(body))
    found.close()
    return found.tags, found.text, to_text(body)


PLAIN = ["p", "strong", "ul", "li", "li", "code"]


@given(
    st.text(st.characters(blacklist_categories=["Cs", "Cc", "Cf", "Zs", "Zl", "Zp"]), min_size=1, max_size=30)
)
def test_any_name_stays_text(name: str) -> None:
    tags, text, plain = _shown(name)
    assert tags == PLAIN
    assert " ".join(text.split()) == f"Look at {name}, says Ada. {name} fixed"
    assert plain == f"Look at {name}, says Ada.\n\n- {name}\n- fixed"


@pytest.mark.parametrize(
    "name",
    [
        "<script>alert(1)</script>",
        "[click](javascript:alert(1))",
        "![x](https://evil.example/x.png)",
        "a\n\n# heading\n\n- item",
        "**bold** `code` &lt;b&gt;",
        "https://evil.example",
        "{{ user_email }}{% now 'Y' %}",
    ],
)
def test_markup_in_a_name_is_shown_as_it_is(name: str) -> None:
    tags, text, _ = _shown(name)
    assert tags == PLAIN
    assert " ".join(name.split()) in text


def test_html_of_a_body_is_sanitised() -> None:
    html = to_html("<img src=x onerror=alert(1)> [a](javascript:alert(1)) [b](https://ok.example) <b>x</b>")
    assert "<img" not in html
    assert "<b>" not in html
    assert 'href="javascript' not in html
    assert 'href="https://ok.example"' in html


def test_plain_text_keeps_lists_and_addresses() -> None:
    assert to_text("One **two**.\n\n- a\n- [b](https://x.example)\n\nEnd `c`") == (
        "One two.\n\n- a\n- b (https://x.example)\n\nEnd c"
    )


def test_titles_are_one_plain_line() -> None:
    assert render(KIND, {"labels": {"name": "a*b*\n<c>"}}).title == "About a*b* <c>"


def test_actions_carry_what_the_template_encodes() -> None:
    actions = (ActionTemplate("See {{ labels.name }}", "{{ base_url }}/w/{{ labels.name|urlencode:'' }}"),)
    found = render_actions(actions, {"labels": {"name": "a/b&c"}})
    assert found[0]["label"] == "See a/b&c"
    assert found[0]["url"].endswith("/w/a%2Fb%26c")


@pytest.mark.parametrize("template", ["{% if %}", "{{ labels.name|nofilter }}", "{% load static %}"])
def test_a_broken_template_says_so(template: str) -> None:
    broken = Kind(id=uuid.uuid4(), name="Broken", title_template="x", body_template=template)
    with pytest.raises(RenderError):
        render(broken, {"labels": {"name": "x"}})


def test_readme_has_no_front_matter_and_runs_nothing() -> None:
    html = readme_html("---\nname: x\n---\n# Title\n\n**bold** <script>alert(1)</script>\n\n---\nend")
    assert html.startswith("<h3>Title</h3>")
    assert "<strong>bold</strong>" in html
    assert "<script" not in html
    assert "<hr>" in html
