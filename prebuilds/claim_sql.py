"""The two statements of a claim, written once and sent as they are.

A claim is the one thing that everybody waits for, many at a time, and to put its statements together from
querysets and model saves took most of its time. What the values are for the database, and back, the fields
of the models still say; both databases run the same text.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Field, Model

from coder_admin.catalog.models import Template, TemplateVersionPreset
from coder_admin.organizations.models import PREBUILDS_USER_ID
from coder_admin.provisioning.models import ProvisionerJob
from coder_admin.workspaces.claims import ClaimRequest
from coder_admin.workspaces.models import Workspace, WorkspaceAgent, WorkspaceBuild, WorkspaceResource
from prebuilds.models import PrebuildEvent

_CLAIM = """
UPDATE {workspace} SET owner_id = %s, name = %s, updated_at = %s, last_used_at = %s, autostart_schedule = %s,
  next_start_at = %s, ttl_ms = %s, automatic_updates = %s, dormant_at = NULL, deleting_at = NULL
WHERE owner_id = %s AND id = (
  SELECT w.id FROM {workspace} w
  WHERE w.owner_id = %s AND NOT w.deleted AND w.template_id = %s AND w.created_at >= %s
    AND w.created_at >= COALESCE(
      (SELECT p.last_invalidated_at FROM {preset} p WHERE p.id = %s), w.created_at)
    AND (
    SELECT b.transition = 'start' AND COALESCE(b.template_version_preset_id, (
        SELECT n.template_version_preset_id FROM {build} n
        WHERE n.workspace_id = w.id AND n.transition = 'start' AND n.template_version_preset_id IS NOT NULL
        ORDER BY n.build_number DESC LIMIT 1)) = %s
      AND b.template_version_id = (
        SELECT t.active_version_id FROM {template} t
        WHERE t.id = %s AND NOT t.deleted AND t.deprecation_message = '')
      AND (SELECT j.job_status = 'succeeded' FROM {job} j WHERE j.id = b.job_id)
      AND (
        SELECT COUNT(*) > 0 AND COUNT(*) = COUNT(CASE WHEN a.lifecycle_state = 'ready' THEN 1 END)
        FROM {resource} r JOIN {agent} a ON a.resource_id = r.id
        WHERE r.workspace_build_id = b.id AND NOT a.deleted AND a.parent_id IS NULL)
    FROM {build} b WHERE b.id = w.latest_build_id)
  ORDER BY w.created_at, w.id LIMIT 1 {lock}
) RETURNING {columns}
"""


def take(request: ClaimRequest, oldest_good: datetime) -> Workspace | None:
    """Re-own the oldest eligible prebuild made at `oldest_good` or later, and return it as it is now; None
    when there is none. Whether it was invalidated is asked by the statement itself: however long ago the
    request read the preset.

    Picked and re-owned in one statement, with everything that a new workspace would have set afresh.
    """
    values = (
        ("owner_id", request.owner_id),
        ("name", request.name),
        ("updated_at", request.now),
        ("last_used_at", request.now),  # else it would look dormant at once
        ("autostart_schedule", request.autostart_schedule),
        ("next_start_at", request.next_start_at),
        ("ttl_ms", request.ttl_ms),
        ("automatic_updates", request.automatic_updates),
        ("owner_id", PREBUILDS_USER_ID),
        ("owner_id", PREBUILDS_USER_ID),
        ("template_id", request.template_id),
        ("created_at", oldest_good),
        ("id", request.preset_id),
        ("id", request.preset_id),
        ("template_id", request.template_id),
    )
    database = connections[DEFAULT_DB_ALIAS]  # itself: each look through Django's proxy of it costs
    fields = _fields(Workspace)
    sent = [fields[name].get_db_prep_save(value, database) for name, value in values]
    with database.cursor() as cursor:
        cursor.execute(_claim(database.vendor), sent)
        row = cursor.fetchone()
    if row is None:
        return None
    read = list(row)
    for place, column, convert in _converters(database.vendor):
        read[place] = convert(read[place], column, database)
    return Workspace.from_db(database.alias, list(fields), read)


def insert(event: PrebuildEvent) -> None:
    """Store a new event."""
    database = connections[DEFAULT_DB_ALIAS]
    fields = _fields(PrebuildEvent).values()
    sent = [field.get_db_prep_save(field.pre_save(event, True), database) for field in fields]
    with database.cursor() as cursor:
        cursor.execute(_insert(), sent)


@cache
def _fields(model: type[Model]) -> dict[str, Field[Any, Any]]:
    """The columns of the model in order; each is called as its attribute."""
    return {field.attname: field for field in model._meta.concrete_fields}


@cache
def _claim(vendor: str) -> str:
    """The claim as SQL (section 5.2).

    Ready, running, on the active version of a live template, made by the preset since its last invalidation,
    and not too old; the oldest first, so that it is used before it expires. What makes a prebuild good is
    one expression about one row, and no join: the database walks the pool by age and looks no further than
    the first good one. The row of the workspace itself is locked: on a view or a join nothing would be
    skipped.
    """
    tables = {
        "workspace": Workspace,
        "build": WorkspaceBuild,
        "job": ProvisionerJob,
        "template": Template,
        "preset": TemplateVersionPreset,
        "agent": WorkspaceAgent,
        "resource": WorkspaceResource,
    }
    return _CLAIM.format(
        lock="FOR UPDATE OF w SKIP LOCKED" if vendor == "postgresql" else "",
        columns=", ".join(str(field.column) for field in _fields(Workspace).values()),
        **{name: model._meta.db_table for name, model in tables.items()},
    )


@cache
def _insert() -> str:
    columns = [str(field.column) for field in _fields(PrebuildEvent).values()]
    places = ", ".join(["%s"] * len(columns))
    return f"INSERT INTO {PrebuildEvent._meta.db_table} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608


@cache
def _converters(_vendor: str) -> list[tuple[int, Any, Any]]:
    """(place, column, converter) of every value of a workspace's row that the driver gives otherwise than
    Python has it: none on PostgreSQL."""
    database = connections[DEFAULT_DB_ALIAS]
    found = []
    for place, field in enumerate(_fields(Workspace).values()):
        column = field.get_col(Workspace._meta.db_table)
        own = [*database.ops.get_db_converters(column), *column.get_db_converters(database)]
        found += [(place, column, convert) for convert in own]
    return found
