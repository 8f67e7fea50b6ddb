"""Storing archives: checked, normalised, once per content and creator."""

from __future__ import annotations

import hashlib
from uuid import UUID

from django.db import IntegrityError, transaction

from coder_admin.audit.services import record
from coder_admin.foundation.errors import Invalid, TooLarge
from rbac.django import require
from rbac.model import Action, RbacObject, ResourceType, Subject

from .archives import CONTENT_TYPES, DEFAULT_LIMITS, TAR, ArchiveError, canonical_tar, pack
from .models import File


def file_store(*, actor: Subject, data: bytes, content_type: str) -> tuple[File, bool]:
    """Store an uploaded tar or zip; returns the file and whether it is new.

    Raises Invalid (content type, broken or unsafe archive), TooLarge, Forbidden.
    """
    require(actor, Action.CREATE, RbacObject(ResourceType.FILE, owner=actor.id))
    if content_type not in CONTENT_TYPES:
        raise Invalid(
            f"Unsupported content type header {content_type!r}.",
            detail=f"Send one of {', '.join(sorted(CONTENT_TYPES))}.",
        )
    if len(data) > DEFAULT_LIMITS.packed:
        raise too_large()
    try:
        archive = canonical_tar(data, content_type)
    except ArchiveError as problem:
        raise Invalid("The archive cannot be used.", detail=str(problem)) from None
    with transaction.atomic():
        file, is_new = _store(archive, UUID(actor.id))
        if is_new:
            record(
                actor=actor,
                action="create",
                resource_type="file",
                resource_id=file.id,
                resource_target=file.hash,
                diff={"size": {"old": None, "new": file.size, "secret": False}},
            )
    return file, is_new


def too_large() -> TooLarge:
    """The refusal of a body above the limit."""
    return TooLarge(
        "The file is too large.",
        detail=f"At most {DEFAULT_LIMITS.packed} bytes: leave out files that the template does not need.",
    )


def module_files_store(*, files: dict[str, bytes]) -> File | None:
    """The system's archive of downloaded modules, None when there is nothing to keep."""
    return _store(pack(files), None)[0] if files else None


def _store(archive: bytes, created_by: UUID | None) -> tuple[File, bool]:
    digest = hashlib.sha256(archive).hexdigest()
    same = File.objects.filter(hash=digest, created_by_id=created_by)
    existing = same.defer("data").first()
    if existing is not None:
        return existing, False
    try:
        with transaction.atomic():
            file = File.objects.create(
                hash=digest, created_by_id=created_by, mimetype=TAR, size=len(archive), data=archive
            )
    except IntegrityError:  # the same upload won the race; its row is as good
        return same.defer("data").get(), True
    return file, True
