"""The short way of rendering gives what Django gives: for every kind, and for templates made of its parts."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any

import pytest
from django.template import Context, Engine
from hypothesis import given
from hypothesis import strategies as st

from coder_admin.notifications import kinds, templates
from coder_admin.notifications.kinds import Kind
from coder_admin.notifications.rendering import helpers
from coder_admin.notifications.templates import RenderError

KINDS = kinds.all_kinds()  # without what tests register
DJANGO = Engine(libraries={}, builtins=["django.template.defaultfilters"], autoescape=False)
NAMES = ["name", "org", "template", "labels", "data", "items", "keys", "count", "more", "incidents", "x"]

texts = st.text(max_size=12) | st.sampled_from(
    ["<script>alert(1)</script>", "**b** [a](javascript:x)", " \n\n# h", "{{ base_url }}", "", "  ", "ünï*"]
)
keys = st.sampled_from([*NAMES, " name ", "items ", "a.b[0]", "_a_", "None"]) | st.text(max_size=6)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
payloads = st.dictionaries(st.sampled_from(["labels", "data", "user_name", "targets", *NAMES]), values)


def by_django(template: str, payload: Mapping[str, Any], *, escaped: bool) -> str:
    """The text by Django's engine alone, or the class of what is wrong."""
    used = {key: templates.escape(value) for key, value in payload.items() if key in template}
    try:
        context = {**helpers(), **(used if escaped else payload)}
        return str(DJANGO.from_string(template).render(Context(context, autoescape=False)))
    except Exception as error:
        return f"wrong: {type(error).__name__}"


def by_us(template: str, payload: Mapping[str, Any], *, escaped: bool) -> str:
    try:
        return (templates.markdown if escaped else templates.plain)(template, helpers(), payload)
    except RenderError as error:
        return f"wrong: {str(error).partition(':')[0]}"


def templates_of(kind: Kind) -> list[str]:
    found = [kind.title_template, kind.body_template]
    if kind.digest is not None:
        found += [kind.digest.title_template, kind.digest.body_template]
    return found


def labels_of(template: str) -> list[str]:
    """The names in a template, whatever they are there."""
    marks = string.punctuation.replace("_", "")
    return sorted(set(template.translate(str.maketrans(marks, " " * len(marks))).split()))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@given(data=st.data())
def test_every_kind_reads_as_django_renders_it(kind: Kind, data: st.DataObject) -> None:
    for template in templates_of(kind):
        names = st.sampled_from(labels_of(template) or NAMES)
        flat = st.dictionaries(names, scalars, max_size=8)
        rows = st.lists(flat | st.dictionaries(names, st.lists(flat, max_size=2), max_size=4), max_size=3)
        payload = data.draw(
            st.fixed_dictionaries(
                {"labels": flat | scalars},
                optional={
                    "data": st.dictionaries(
                        names, rows | st.dictionaries(keys, texts) | flat | scalars, max_size=4
                    ),
                    "user_name": texts,
                },
            )
        )
        for escaped in (False, True):
            assert by_us(template, payload, escaped=escaped) == by_django(template, payload, escaped=escaped)


paths = st.lists(
    st.sampled_from([*NAMES, "base_url", "current_year", "True", "forloop", "0"]), min_size=1, max_size=3
).map(".".join)
pieces = st.recursive(
    st.sampled_from(
        ["text ", "- **", "\n", "{# no #}", "{% now 'Y' %}", "{{ x|upper }}", "{{ 'lit' }}", "{{ nope"]
    )
    | paths.map("{{{{ {} }}}}".format),
    lambda inner: st.one_of(
        st.tuples(paths, inner, inner).map(
            lambda t: f"{{% if {t[0]} %}}{t[1]}{{% else %}}{t[2]}{{% endif %}}"
        ),
        st.tuples(paths, inner).map(lambda t: f"{{% if not {t[0]} %}}{t[1]}{{% endif %}}"),
        st.tuples(paths, inner, inner).map(
            lambda t: f"{{% for x in {t[0]} %}}{{{{ x }}}}{t[1]}{{% empty %}}{t[2]}{{% endfor %}}{{{{ x }}}}"
        ),
        st.tuples(paths, inner).map(
            lambda t: f"{{% for x, name in {t[0]}.items %}}{{{{ x }}}}={{{{ name }}}}{t[1]}{{% endfor %}}"
        ),
        st.tuples(paths, inner).map(lambda t: f"{{% for x, name in {t[0]} reversed %}}{t[1]}{{% endfor %}}"),
        st.tuples(inner, inner).map("".join),
    ),
    max_leaves=6,
)


@given(pieces, payloads, st.booleans())
def test_any_template_reads_as_django_renders_it(
    template: str, payload: dict[str, Any], escaped: bool
) -> None:
    assert by_us(template, payload, escaped=escaped) == by_django(template, payload, escaped=escaped)


@pytest.mark.parametrize(
    ("template", "payload"),
    [
        ("{{ labels.items }}", {"labels": {}}),
        ("{% for k, v in labels.items %}{{ k }}{{ v }}{% endfor %}", {"labels": {"items": [["a", 1]]}}),
        ("{% for k, v in labels.items %}{{ k }};{% endfor %}", {"labels": {" a ": 1, "a": 2, "b*": 3}}),
        ("{{ labels.name }}", {"labels": {" name ": "not this"}}),
        ("{{ labels.name.upper }}", {"labels": {"name": "a"}}),
        ("{{ labels }}", {"labels": {"name": "*"}}),
        ("{{ None }}", {}),
        ("{{ autoescape }}{{ push }}{{ template }}", {}),
        ("{{ current_year }}{{ base_url }}{{ nothing }}", {}),
        ("{% for k, v in labels.items %}{{ k }}{% endfor %}", {"labels": {"items": [["a", 1]]}}),
        ("{% for x in labels reversed %}{{ x }}{% endfor %}", {"labels": ["a", "b"]}),
        ("{% for x in labels %}{{ forloop.counter }}{% endfor %}", {"labels": ["a", "b"]}),
        ("{% for x in labels %}{{ x }}{% endfor %}", {"labels": "abc"}),
        ("{% for x, y in labels %}{{ x }}{% endfor %}", {"labels": [["a"]]}),
        ("{% if labels.a %}yes{% endif %}", {"labels": {"a": " \n "}}),
        ("{{ labels.a }} {{ labels.b }}", {"labels": {"a": 1234567.5, "b": True}}),
    ],
)
def test_corners_of_the_language(template: str, payload: dict[str, Any]) -> None:
    for escaped in (False, True):
        assert by_us(template, payload, escaped=escaped) == by_django(template, payload, escaped=escaped)


def test_a_value_in_numbers_is_written_as_the_deployment_writes_numbers(settings: Any) -> None:
    settings.USE_THOUSAND_SEPARATOR = True
    payload = {"labels": {"count": 1234567}}
    assert by_us("{{ labels.count }}", payload, escaped=False) == "1,234,567"
    assert by_django("{{ labels.count }}", payload, escaped=False) == "1,234,567"


def test_the_texts_of_all_kinds_take_the_short_way() -> None:
    """But for the report, which counts in words; else a change of a text could make deliveries slow."""
    long = {
        kind.name
        for kind in KINDS
        for template in templates_of(kind)
        if templates._compiled(template)[1] is None
    }
    assert long <= {"Report: Workspace Builds Failed"}


def test_a_key_that_is_shown_is_one_escaped_line() -> None:
    template = "{% for key, value in data.items %}- {{ key }}\n{% endfor %}"
    given_data = {"data": {"\n\nname\n": 1, "a[0]\n# h": 2}}
    assert templates.markdown(template, {}, given_data) == "-  name\n- a\\[0\\] \\# h\n"
