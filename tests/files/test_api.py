"""``POST /files`` and ``GET /files/{id}`` (notifications-agents-provisioning.md section 5)."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Callable

import pytest
from django.db.models import QuerySet
from rest_framework.test import APIClient

from coder_admin.files import api
from coder_admin.files.archives import Limits
from coder_admin.files.models import File
from coder_admin.organizations.models import User
from tests.catalog.factories import make_file, tar_of, zip_of

pytestmark = pytest.mark.django_db
Login = Callable[[User], APIClient]
URL = "/api/v2/files"


def test_upload_and_download(admin: User, login: Login) -> None:
    client = login(admin)
    answer = client.post(URL, zip_of({"main.tf": "# a\n"}), content_type="application/zip")
    assert answer.status_code == 201
    file_id = answer.json()["hash"]
    again = client.post(URL, zip_of({"main.tf": "# a\n"}), content_type="application/zip")
    assert (again.status_code, again.json()["hash"]) == (200, file_id)
    tar = client.get(f"{URL}/{file_id}")
    assert tar.headers["Content-Type"] == "application/x-tar"
    with tarfile.open(fileobj=io.BytesIO(tar.content)) as archive:
        assert archive.getnames() == ["main.tf"]
    packed = client.get(f"{URL}/{file_id}?format=zip")
    assert packed.headers["Content-Type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(packed.content)) as zipped:
        assert zipped.read("main.tf") == b"# a\n"


def test_refusals(admin: User, stranger: User, login: Login) -> None:
    client = login(admin)
    assert client.post(URL, b"x", content_type="text/plain").status_code == 400
    broken = client.post(URL, b"PK nothing", content_type="application/zip")
    assert broken.status_code == 400
    assert "pack it again" in broken.json()["detail"]
    unsafe = client.post(URL, tar_of({"../up.tf": ""}), content_type="application/x-tar")
    assert unsafe.status_code == 400
    assert '"../up.tf"' in unsafe.json()["detail"]
    assert File.objects.filter(created_by=admin).count() == 0
    file = make_file(admin)
    assert client.get(f"{URL}/no-uuid").status_code == 400
    assert client.get(f"{URL}/{file.id}?format=rar").status_code == 400
    assert login(stranger).get(f"{URL}/{file.id}").status_code == 404
    assert client.get(f"{URL}/00000000-0000-4000-8000-000000000000").status_code == 404
    assert APIClient().get(f"{URL}/{file.id}").status_code == 401
    assert APIClient().post(URL, b"", content_type="application/x-tar").status_code == 401


def test_body_above_the_limit_is_413(admin: User, login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "DEFAULT_LIMITS", Limits(packed=1000))
    answer = login(admin).post(URL, tar_of({"main.tf": "x" * 2000}), content_type="application/x-tar")
    assert answer.status_code == 413
    assert answer.json()["message"] == "The file is too large."


def test_uploads_are_limited_to_twelve_a_minute(admin: User, login: Login) -> None:
    client = login(admin)
    codes = [client.post(URL, b"", content_type="text/plain").status_code for _ in range(13)]
    assert codes == [400] * 12 + [429]


def test_each_row_of_the_upload_table(admin: User, login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    """Section 5, "POST /files", row by row (12 a minute, so one client for each half)."""
    client = login(admin)

    def post(data: bytes, content_type: str) -> tuple[int, dict[str, object]]:
        answer = client.post(URL, data, content_type=content_type)
        return answer.status_code, answer.json()

    tar, zipped = tar_of({"main.tf": "# 1\n"}), zip_of({"main.tf": "# 1\n"})
    for other in ("application/octet-stream", "application/x-tar; charset=utf-8", "application/gzip"):
        status, body = post(tar, other)
        assert (status, "Unsupported content type" in str(body["message"])) == (400, True)
    assert post(zipped[:-10], "application/zip")[0] == 400
    assert post(tar, "application/zip")[0] == 400, "a tar is no zip"
    status, first = post(zipped, "application/zip")
    assert status == 201
    stored = File.objects.get(pk=str(first["hash"]))
    assert stored.mimetype == "application/x-tar"
    assert bytes(stored.data) != zipped, "converted before it is hashed and stored"
    assert stored.hash == hashlib.sha256(bytes(stored.data)).hexdigest()
    assert post(zipped, "application/x-zip-compressed") == (200, first)
    assert post(bytes(stored.data), "application/x-tar") == (200, first), "the same bytes, however they came"


def test_an_upload_that_lost_the_race_gets_the_winners_row(
    admin: User, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, tar = login(admin), tar_of({"main.tf": "# race\n"})
    winner = client.post(URL, tar, content_type="application/x-tar").json()["hash"]
    real, looks = QuerySet.first, [0]

    def blind_at_first(rows: QuerySet[File]) -> File | None:
        looks[0] += rows.model is File
        return None if rows.model is File and looks[0] == 1 else real(rows)

    monkeypatch.setattr(QuerySet, "first", blind_at_first)
    lost = client.post(URL, tar, content_type="application/x-tar")
    assert (lost.status_code, lost.json()["hash"]) == (201, winner)
    assert File.objects.filter(created_by=admin).count() == 1
