"""Uploads: stored once per content and creator, read by who may (notifications-agents-provisioning.md 5)."""

import pytest

from coder_admin.audit.models import AuditLog
from coder_admin.files.cache import file_cache
from coder_admin.files.selectors import file_get
from coder_admin.files.services import file_store, module_files_store
from coder_admin.foundation.errors import Invalid, NotFound
from tests.catalog.factories import (
    actor_of,
    make_file,
    make_organization,
    make_template,
    make_user,
    make_version,
    tar_of,
    zip_of,
)

pytestmark = pytest.mark.django_db
FILES = {"main.tf": "# hello\n"}


def test_same_content_is_one_file_for_its_creator_and_another_for_others() -> None:
    first, second = make_user(), make_user()
    data = zip_of(FILES)
    file, is_new = file_store(actor=actor_of(first), data=data, content_type="application/zip")
    again, is_new_again = file_store(actor=actor_of(first), data=data, content_type="application/zip")
    other, _ = file_store(actor=actor_of(second), data=data, content_type="application/x-zip-compressed")
    assert (is_new, is_new_again) == (True, False)
    assert file.id == again.id != other.id
    assert (file.mimetype, file.hash) == ("application/x-tar", other.hash)
    assert AuditLog.objects.filter(resource_type="file", resource_id=str(file.id)).count() == 1


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/gzip", "application/x-tar; charset=x"]
)
def test_other_content_types_are_refused(content_type: str) -> None:
    with pytest.raises(Invalid, match="Unsupported content type"):
        file_store(actor=actor_of(make_user()), data=tar_of(FILES), content_type=content_type)


def test_unsafe_archive_is_refused_with_the_entry() -> None:
    with pytest.raises(Invalid) as caught:
        file_store(actor=actor_of(make_user()), data=tar_of({"../x": ""}), content_type="application/x-tar")
    assert '"../x"' in caught.value.detail


def test_who_may_read_a_file() -> None:
    organization = make_organization()
    author = make_user(organization, org_roles=["organization-template-admin"])
    colleague = make_user(organization, org_roles=["organization-template-admin"])
    member, stranger, owner = make_user(organization), make_user(), make_user(roles=["owner"])
    file = make_file(author)
    for reader in (author, owner, make_user(roles=["template-admin"])):
        assert file_get(viewer=actor_of(reader), file_id=str(file.id)).id == file.id
    for reader in (colleague, member, stranger):
        with pytest.raises(NotFound):
            file_get(viewer=actor_of(reader), file_id=file.id)
    make_template(author, organization, version=make_version(author, organization, file=file))
    assert file_get(viewer=actor_of(colleague), file_id=file.id).id == file.id
    with pytest.raises(NotFound):
        file_get(viewer=actor_of(member), file_id=file.id)
    with pytest.raises(Invalid):
        file_get(viewer=actor_of(author), file_id="no-uuid")


def test_module_files_are_the_system_s_and_stored_once() -> None:
    files = {".terraform/modules/a/main.tf": b"# a"}
    first, second = module_files_store(files=files), module_files_store(files=files)
    assert first is not None
    assert second is not None
    assert first.id == second.id
    assert first.created_by_id is None
    assert module_files_store(files={}) is None


def test_cache_reads_stored_archives() -> None:
    user = make_user()
    file = make_file(user, FILES)
    with file_cache.acquire(file.id, subject=actor_of(user)) as handle:
        assert handle.file.files == {"main.tf": b"# hello\n"}
        assert handle.file.filesystem().read("main.tf") == b"# hello\n"
        assert handle.file.size == file.size
    assert file_cache.open_files == 0
