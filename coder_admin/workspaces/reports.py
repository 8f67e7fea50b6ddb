"""The weekly report of failed builds: one message for each template admin, about all their templates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, F, Q, Window
from django.db.models.functions import RowNumber

from coder_admin.notifications import chores
from coder_admin.notifications.kinds import ActionTemplate, Group, Icon, Kind, register
from coder_admin.notifications.recipients import TEMPLATE_ADMIN, site_template_admins
from coder_admin.notifications.reports import make_when_due
from coder_admin.notifications.services import notify
from coder_admin.organizations.models import OrganizationMember
from coder_admin.provisioning.choices import JobStatus

from .models import WorkspaceBuild

PERIOD = timedelta(days=7)
LOOK_EVERY = 15 * 60.0
SHOWN = 10

BUILDS_FAILED = Kind(
    id=UUID("34a20db2-e9cc-4a93-b0e4-8569699d7a00"),
    name="Report: Workspace Builds Failed",
    title_template="Failed workspace builds report",
    body_template=(
        "Builds of workspaces that failed in the last {{ data.report_frequency }}:\n\n"
        "{% for template in data.templates %}"
        "**{% if template.display_name %}{{ template.display_name }}{% else %}{{ template.name }}"
        "{% endif %}**: {{ template.failed_builds }} of {{ template.total_builds }} builds\n\n"
        "{% for version in template.versions %}"
        "- **{{ version.template_version_name }}** failed {{ version.failed_count }} time"
        "{{ version.failed_count|pluralize }}\n"
        "{% for build in version.failed_builds %}"
        "    - [{{ build.workspace_owner_username }} / {{ build.workspace_name }} / "
        "{{ build.build_number }}]({{ base_url }}/@{{ build.workspace_owner_username }}"
        "/{{ build.workspace_name }}/builds/{{ build.build_number }})\n"
        "{% endfor %}{% endfor %}\n{% endfor %}"
        "Look at the logs of these builds, and publish a corrected version where a template is the cause."
    ),
    actions=(
        ActionTemplate("View failed workspaces", "{{ base_url }}/workspaces?filter=status:failed"),
        ActionTemplate("View templates", "{{ base_url }}/templates"),
    ),
    group=Group.TEMPLATE,
    icon=Icon.TEMPLATE,
    summary="Sent to template admins every week in which builds failed.",
    audience=(TEMPLATE_ADMIN,),
)


def register_report() -> None:
    """Make the report known and have it made when it is due."""
    register(BUILDS_FAILED)
    chores.register(
        "failed builds report", LOOK_EVERY, lambda now: make_when_due(BUILDS_FAILED.id, PERIOD, now, send)
    )


def send(since: datetime, until: datetime) -> None:
    """Queue the report of a period for each template admin, about the organizations they belong to."""
    by_organization = _templates(since, until)
    if not by_organization:
        return
    for organizations, admins in _admins(by_organization).items():
        found = {key: row for where in organizations for key, row in by_organization[where].items()}
        notify(
            BUILDS_FAILED.id,
            admins,
            labels={},
            data={
                "report_frequency": "week",
                "templates": sorted(found.values(), key=lambda row: (-row["failed_builds"], row["name"])),
            },
            targets=[*organizations, *found],
            created_by="report_generator",
        )


def _admins(organizations: Iterable[UUID]) -> dict[tuple[UUID, ...], list[UUID]]:
    """Template admins by the set of these organizations that they are members of."""
    members = OrganizationMember.objects.filter(
        organization__in=list(organizations), user__in=site_template_admins()
    )
    of_user: dict[UUID, list[UUID]] = defaultdict(list)
    for user_id, organization_id in members.order_by("organization_id").values_list(
        "user_id", "organization_id"
    ):
        of_user[user_id].append(organization_id)
    groups: dict[tuple[UUID, ...], list[UUID]] = defaultdict(list)
    for user_id, found in of_user.items():
        groups[tuple(found)].append(user_id)
    return groups


def _templates(since: datetime, until: datetime) -> dict[UUID, dict[UUID, dict[str, Any]]]:
    """What failed, by organization and template; templates without failures are left out. Two queries.

    All builds count, those of the pools too (reference 1.2).
    """
    ended = WorkspaceBuild.objects.filter(job__completed_at__gte=since, job__completed_at__lt=until)
    failed = Q(job__job_status=JobStatus.FAILED)
    totals = ended.order_by().values(
        template=F("workspace__template"),
        organization=F("workspace__organization"),
        name=F("workspace__template__name"),
        display_name=F("workspace__template__display_name"),
    )
    counted = totals.annotate(total=Count("pk"), failed=Count("pk", filter=failed)).filter(failed__gt=0)
    versions = _versions(ended.filter(failed))
    found: dict[UUID, dict[UUID, dict[str, Any]]] = defaultdict(dict)
    for row in counted:
        found[row["organization"]][row["template"]] = {
            "name": row["name"],
            "display_name": row["display_name"],
            "failed_builds": row["failed"],
            "total_builds": row["total"],
            "versions": versions.get(row["template"], []),
        }
    return found


def _versions(failed: Any) -> Mapping[UUID, Sequence[dict[str, Any]]]:
    """By template: its versions with how often they failed, and the newest ten of the failed builds."""
    newest = [F("created_at").desc(), F("build_number").desc()]
    rank = Window(RowNumber(), partition_by=F("template_version"), order_by=newest)
    count = Window(Count("pk"), partition_by=F("template_version"))
    rows = (
        failed.annotate(rank=rank, count=count)
        .filter(rank__lte=SHOWN)
        .order_by("-count", "template_version__name", "rank")
        .values(
            "count",
            "build_number",
            "template_version_id",
            "workspace_id",
            version_name=F("template_version__name"),
            template=F("workspace__template"),
            workspace_name=F("workspace__name"),
            owner=F("workspace__owner__username"),
        )
    )
    of_template: dict[UUID, dict[UUID, dict[str, Any]]] = defaultdict(dict)
    for row in rows:
        version = of_template[row["template"]].setdefault(
            row["template_version_id"],
            {
                "template_version_name": row["version_name"],
                "failed_count": row["count"],
                "failed_builds": [],
            },
        )
        version["failed_builds"].append(
            {
                "workspace_owner_username": row["owner"],
                "workspace_name": row["workspace_name"],
                "workspace_id": str(row["workspace_id"]),
                "build_number": row["build_number"],
            }
        )
    return {template: list(versions.values()) for template, versions in of_template.items()}
