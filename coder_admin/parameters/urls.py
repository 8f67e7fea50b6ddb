"""Whether an icon reads as a URL, by the rules of Go's ``net/url`` (reference dynamic-parameters 10.1)."""

import re
from functools import lru_cache

_BAD_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.\-]*:")
_BAD_HOST = re.compile(r"[\s<>\"\\^`{|}]")
_PORT = re.compile(r":[0-9]*\Z")


@lru_cache(maxsize=2048)
def url_problem(text: str) -> str | None:
    """Why ``text`` is no URL, or None. Empty text, paths and ``data:`` are fine."""
    if _CONTROL.search(text):
        return "invalid control character in URL"
    rest, _, fragment = text.partition("#")
    if rest.startswith(":"):
        return "missing protocol scheme"
    scheme = _SCHEME.match(rest)
    if scheme:
        rest = rest[scheme.end() :]
        if not rest.startswith("/"):
            return _escape_problem(fragment)  # opaque, such as tel: and data:
    elif ":" in rest.partition("?")[0].partition("/")[0]:
        return "first path segment in URL cannot contain colon"
    rest = rest.partition("?")[0]
    authority, path = "", rest
    if rest.startswith("//"):
        authority, slash, tail = rest[2:].partition("/")
        path = slash + tail
    return _escape_problem(path) or _escape_problem(fragment) or _host_problem(authority)


def _escape_problem(part: str) -> str | None:
    bad = _BAD_ESCAPE.search(part)
    return f'invalid URL escape "{part[bad.start() : bad.start() + 3]}"' if bad else None


def _host_problem(authority: str) -> str | None:
    host = authority.rpartition("@")[2]
    if _BAD_HOST.search(host):
        return "invalid character in host name"
    bracket = host.rfind("]")
    port = host[bracket + 1 :] if host.startswith("[") else host[host.find(":") :] if ":" in host else ""
    if port and not _PORT.match(port):
        return f'invalid port "{port}" after host'
    return _escape_problem(host)
