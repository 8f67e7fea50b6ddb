"""Writes of this room: one function = one transaction = one audited fact."""

from .access import acl_update
from .templates import template_create, template_delete, template_deprecate, template_update
from .versions import (
    template_version_create,
    version_archive,
    version_import_complete,
    version_import_fail,
    version_promote,
    version_unarchive,
    version_update,
)

__all__ = [
    "acl_update",
    "template_create",
    "template_delete",
    "template_deprecate",
    "template_update",
    "template_version_create",
    "version_archive",
    "version_import_complete",
    "version_import_fail",
    "version_promote",
    "version_unarchive",
    "version_update",
]
