"""Template tags of the design system: icons, state badges, times, durations."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

from coder_admin.dashboard.logs import draw_lines
from coder_admin.dashboard.statuses import Look, look_of
from coder_admin.foundation.markdown import readme_html, to_html, to_text
from coder_admin.notifications.kinds import Icon

register = template.Library()
register.simple_tag(draw_lines)

MESSAGE_ICONS = {
    Icon.WORKSPACE.value: "workspaces",
    Icon.TEMPLATE.value: "templates",
    Icon.ACCOUNT.value: "people",
}


@register.simple_tag
def icon(name: str, label: str = "", css: str = "") -> SafeString:
    """One symbol of the sprite. With `label` it is an image of that name, without it decoration."""
    href = f"{static('icons/sprite.svg')}#{name}"
    css_class = f"icon {css}".strip()
    if label:
        return format_html(
            '<svg class="{}" role="img" aria-label="{}"><use href="{}"/></svg>', css_class, label, href
        )
    return format_html('<svg class="{}" aria-hidden="true"><use href="{}"/></svg>', css_class, href)


def draw_badge(look: Look, title: str = "", text: str = "") -> SafeString:
    """A state as shape, word and colour."""
    return format_html(
        '<span class="badge tone-{}"{}>{}<span>{}</span></span>',
        look.tone,
        format_html(' title="{}"', title) if title else "",
        icon(look.icon),
        text or look.label,
    )


@register.simple_tag
def state(kind: str, value: str, title: str = "", text: str = "") -> SafeString:
    """The badge of one state of a kind in `statuses.LOOKS`; `text` says it in more words."""
    return draw_badge(look_of(kind, str(value or "")), title, text)


@register.filter
def tone_of(value: str, kind: str) -> str:
    """Tone of a state: `{{ pool.state|tone_of:"pool" }}`."""
    return look_of(kind, str(value)).tone


STEPS = ((60, 1, "s"), (3600, 60, "min"), (86400, 3600, "h"), (float("inf"), 86400, "d"))


def short_duration(seconds: float) -> str:
    """A length of time in its largest whole unit, with the next one: 90 s is `1 min 30 s`."""
    total = int(abs(seconds))
    if 0 < abs(seconds) < 10 and abs(seconds) != total:
        return f"{abs(seconds):.1f} s"
    if total < 60:
        return f"{total} s"
    for (limit, size, unit), (_, smaller, smaller_unit) in zip(STEPS[1:], STEPS, strict=False):
        if total < limit:
            rest = total % size // smaller
            return f"{total // size} {unit}" + (f" {rest} {smaller_unit}" if rest else "")
    raise AssertionError("the last step has no limit")


@register.filter
def duration(value: timedelta | float | None) -> str:
    """A timedelta or seconds as `40 s`, `1 min 30 s`, `2 h 5 min`, `3 d`."""
    if value is None:
        return ""
    return short_duration(value.total_seconds() if isinstance(value, timedelta) else value)


def relative_text(moment: datetime, now: datetime) -> str:
    """`moment` as seen from `now`: `now`, `40 s ago`, `in 2 h`."""
    seconds = (now - moment).total_seconds()
    if abs(seconds) < 5:
        return "now"
    largest = short_duration(int(seconds)).split(" ")
    text = " ".join(largest[:2])
    return f"{text} ago" if seconds > 0 else f"in {text}"


@register.simple_tag
def when(moment: datetime | None, otherwise: str = "never") -> SafeString | str:
    """Relative time; the exact one, in the viewer's zone, is in `title` and `datetime`."""
    if moment is None:
        return otherwise
    local = timezone.localtime(moment)
    exact = f"{date_format(local, 'j M Y, H:i:s')} {local.tzname()}"
    return format_html(
        '<time data-relative datetime="{}" title="{}">{}</time>',
        moment.isoformat(),
        exact,
        relative_text(moment, timezone.now()),
    )


@register.simple_tag
def exact(moment: datetime | None, pattern: str = "j M Y, H:i", otherwise: str = "never") -> SafeString | str:
    """The exact time in the viewer's zone, with the zone's name."""
    if moment is None:
        return otherwise
    local = timezone.localtime(moment)
    return format_html(
        '<time datetime="{}">{} {}</time>',
        moment.isoformat(),
        date_format(local, pattern),
        local.tzname() or "",
    )


@register.filter
def counted(number: int, words: str) -> str:
    """A count with its noun: `{{ n|counted:"pool,pools" }}` → `1 pool`, `3 pools`, `1,204 pools`."""
    one, many = words.split(",")
    return f"{number:,} {one if number == 1 else many}"


@register.filter
def initials(name: str) -> str:
    """Up to two letters that stand for a person or template."""
    words = [word for word in name.replace("-", " ").replace("_", " ").split() if word]
    letters = [words[0][0], words[-1][0]] if len(words) > 1 else [(words or ["?"])[0][:2]]
    return "".join(letters).upper()


@register.filter
def short_id(value: object) -> str:
    """The first block of a UUID: enough to tell rows apart."""
    return str(value).split("-", 1)[0]


@register.filter
def prefixed(value: object, prefix: str) -> str:
    """A value behind a prefix, whatever its type: an element's id from a row's."""
    return f"{prefix}{value}"


_BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


@register.filter
def browser_name(user_agent: str) -> str:
    """`Firefox on Linux` of a user agent; its beginning where it is none we know."""
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    if browser and system:
        return f"{browser} on {system}"
    return browser or user_agent[:60] or "Unknown browser"


@register.filter
def joined(values: Iterable[object]) -> str:
    """A list as it is spoken: `a`, `a and b`, `a, b and c`."""
    words = [str(value) for value in values]
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


@register.filter
def index(values: dict[str, object], key: str) -> object:
    """A dict's value by a key that is known at run time; empty text if absent."""
    return values.get(key, "") if values else ""


@register.filter
def unlocalized(value: float) -> str:
    """A number as SVG takes it, whatever the language."""
    return f"{value:g}"


@register.filter
def message_icon(icon_of_message: str) -> str:
    """The sprite's symbol for a notification's icon."""
    return MESSAGE_ICONS.get(icon_of_message, "bell")


@register.filter
def message_html(text: str) -> SafeString:
    """A notification's markdown as sanitised HTML, by the renderer that mails use too."""
    return to_html(text)


@register.filter
def plain_markdown(text: str) -> str:
    """Markdown without its marks; Django escapes the result as any text."""
    return to_text(text or "")


@register.filter
def as_readme(text: str) -> SafeString:
    """A template's readme as sanitised HTML."""
    return readme_html(text or "")
