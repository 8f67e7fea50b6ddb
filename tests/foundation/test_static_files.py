"""Static files through the real server: whole, in part, or not at all."""

from __future__ import annotations

import httpx
import pytest
from django.conf import settings

from coder_admin.settings.environment import BASE_DIR
from tests.serving import serving

pytestmark = pytest.mark.django_db(transaction=True)

FILE = "css/tokens.css"


def test_static_files_come_whole_in_part_or_not_at_all() -> None:
    """Warnings of Django's ASGI handler about synchronous iterators are errors here (pyproject.toml)."""
    content = (BASE_DIR / "static" / FILE).read_bytes()
    with serving() as url, httpx.Client(base_url=f"{url}{settings.STATIC_URL}") as client:
        whole = client.get(FILE, headers={"Accept-Encoding": "identity"})
        assert (whole.status_code, whole.content) == (200, content)
        assert whole.headers["Content-Type"].startswith("text/css")
        assert whole.headers["Content-Length"] == str(len(content))
        part = client.get(FILE, headers={"Range": "bytes=10-19", "Accept-Encoding": "identity"})
        assert (part.status_code, part.content) == (206, content[10:20])
        known = client.get(FILE, headers={"If-Modified-Since": whole.headers["Last-Modified"]})
        assert (known.status_code, known.content) == (304, b"")
        assert "Content-Type" not in known.headers
        head = client.head(FILE, headers={"Accept-Encoding": "identity"})
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["Content-Length"] == str(len(content))
        assert client.post(FILE).status_code == 405
        assert client.get("css/none.css").status_code == 404
