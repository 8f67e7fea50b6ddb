"""The two messages that pools send (reference section 8). The rooms below deliver them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from coder_admin.catalog.models import TemplateVersion
from coder_admin.notifications.kinds import ActionTemplate, Digest, Group, Icon, Kind, register
from coder_admin.notifications.recipients import OWNER, TEMPLATE_ADMIN, or_owners, site_template_admins
from coder_admin.notifications.services import notify
from coder_admin.workspaces.models import WorkspaceBuild
from prebuilds.models import PrebuildEvent, PrebuildEventKind
from prebuilds.snapshot import Preset

log = structlog.get_logger("coderd.prebuilds")

CREATED_BY = "prebuilds_reconciler"
_VIEW_VERSION = ActionTemplate(
    "View template version",
    "{{ base_url }}/templates/{{ labels.org|urlencode:'' }}/{{ labels.template|urlencode:'' }}"
    "/versions/{{ labels.template_version|urlencode:'' }}",
)

_VIEW_FAILED = ActionTemplate(
    "View failed prebuilt workspaces",
    "{{ base_url }}/workspaces?filter=owner:prebuilds+status:failed+template:"
    "{{ labels.template|urlencode:'' }}",
)
_TROUBLESHOOTING = (
    "\n\nMore on this: [troubleshooting prebuilt workspaces]"
    "(https://coder.com/docs/admin/templates/extending-templates/prebuilt-workspaces#administration-and-troubleshooting)"
    ", [troubleshooting templates](https://coder.com/docs/admin/templates/troubleshooting)."
)
_PREVENTION = "https://coder.com/docs/admin/templates/extending-templates/prebuilt-workspaces#preventing-resource-replacement"

FAILURE_LIMIT_REACHED = Kind(
    id=UUID("414d9331-c1fc-4761-b40c-d1f4702279eb"),
    name="Prebuild Failure Limit Reached",
    title_template="There is a problem creating prebuilt workspaces",
    body_template=(
        "The newest attempts to create prebuilt workspaces for the preset **{{ labels.preset }}** of the "
        "template **{{ labels.template }}** (version {{ labels.template_version }}) all failed: the limit "
        "is reached. No more are created.\n\n"
        "Look at the build log of a failed prebuild, correct the cause and publish a new version of the "
        "template; or reset the preset when the cause lay elsewhere." + _TROUBLESHOOTING
    ),
    actions=(_VIEW_FAILED, _VIEW_VERSION),
    group=Group.TEMPLATE,
    icon=Icon.TEMPLATE,
    digest=Digest(
        # Everybody who debugs a template breaks it a few times a day.
        window=timedelta(days=1),
        title_template="There are {{ data.digest.count }} more problems creating prebuilt workspaces",
        body_template=(
            "More presets of the template **{{ labels.template }}** reached the limit of failed attempts "
            "since the last message:\n\n"
            "{% for incident in data.digest.incidents %}"
            "- **{{ incident.preset }}** (version {{ incident.template_version }})\n"
            "{% endfor %}"
            "{% if data.digest.more %}- and {{ data.digest.more }} more\n{% endif %}\n"
            "No more prebuilt workspaces are created for them until a new version is published or the "
            "preset is reset."
        ),
        actions=(_VIEW_FAILED,),
    ),
    summary="Sent to template admins and to the version's author when a preset's prebuilds keep failing.",
)

RESOURCE_REPLACED = Kind(
    id=UUID("89d9745a-816e-4695-a17f-3d0a229e2b8d"),
    name="Prebuilt Workspace Resource Replaced",
    title_template="There might be a problem with a recently claimed prebuilt workspace",
    body_template=(
        "The workspace **{{ labels.workspace }}** was claimed from a prebuild by **{{ labels.claimant }}**. "
        "During the claim these resources of the template **{{ labels.template }}** were replaced:\n\n"
        "{% for resource, paths in data.replacements.items %}"
        "- {{ resource }}, because of {{ paths }}\n"
        "{% endfor %}\n"
        "What a pool prepared is lost when a claim replaces it. Let the resource ignore the change with "
        "`lifecycle` and `ignore_changes`, or keep what depends on the owner out of it: "
        f"[how to prevent replacements]({_PREVENTION})."
    ),
    actions=(
        ActionTemplate(
            "View workspace build",
            "{{ base_url }}/@{{ labels.claimant|urlencode:'' }}/{{ labels.workspace|urlencode:'' }}"
            "/builds/{{ labels.workspace_build_num|urlencode:'' }}",
        ),
        _VIEW_VERSION,
    ),
    group=Group.TEMPLATE,
    icon=Icon.WORKSPACE,
    digest=Digest(
        title_template=(
            "There might be a problem with {{ data.digest.count }} more claimed prebuilt workspaces"
        ),
        body_template=(
            "{{ data.digest.count }} more claims of prebuilt workspaces of the template "
            "**{{ labels.template }}** replaced resources:\n\n"
            "{% for incident in data.digest.incidents %}"
            "- [**{{ incident.workspace }}**, build {{ incident.workspace_build_num }}]({{ base_url }}"
            "/@{{ incident.claimant }}/{{ incident.workspace }}/builds/{{ incident.workspace_build_num }}), "
            "claimed by {{ incident.claimant }} "
            "(preset {{ incident.preset }}, version {{ incident.template_version }})\n"
            "{% for resource, paths in incident.replacements.items %}"
            "    - {{ resource }}, because of {{ paths }}\n"
            "{% endfor %}"
            "{% if incident.replacements_more %}    - and {{ incident.replacements_more }} more\n{% endif %}"
            "{% endfor %}"
            "{% if data.digest.more %}- and {{ data.digest.more }} more\n{% endif %}\n"
            "What a pool prepared is lost when a claim replaces it: "
            f"[how to prevent replacements]({_PREVENTION})."
        ),
        actions=(
            ActionTemplate(
                "View template",
                "{{ base_url }}/templates/{{ labels.org|urlencode:'' }}/{{ labels.template|urlencode:'' }}",
            ),
        ),
    ),
    summary="Sent to template admins when a claim replaced resources that a pool had prepared.",
    audience=(OWNER, TEMPLATE_ADMIN),
)


def register_kinds() -> None:
    """Make both messages known."""
    register(FAILURE_LIMIT_REACHED)
    register(RESOURCE_REPLACED)


def failure_limit_reached(preset: Preset, now: datetime) -> None:
    """Tell of a preset that is not tried any more, in the transaction that stores it: the author of the
    version at once, the administrators once per template and window."""
    version = TemplateVersion.objects.get(id=preset.template_version_id)
    admins = or_owners(site_template_admins())
    _failure_limit_reached(preset, [version.created_by_id], topic=version.id, now=now)
    others = [user_id for user_id in admins if user_id != version.created_by_id]
    _failure_limit_reached(
        preset, others, topic=UUID(preset.template_id), now=now, audience=(OWNER, TEMPLATE_ADMIN)
    )


def _failure_limit_reached(
    preset: Preset,
    recipients: Sequence[UUID],
    *,
    topic: UUID,
    now: datetime,
    audience: tuple[str, ...] = (),
) -> None:
    notify(
        FAILURE_LIMIT_REACHED.id,
        recipients,
        labels={
            "org": preset.organization_name,
            "template": preset.template_name,
            "template_version": preset.template_version_name,
            "preset": preset.name,
        },
        data={"reached_at": now.isoformat()},  # after a reset the same preset may reach it the same day
        targets=[
            UUID(preset.template_id),
            UUID(preset.template_version_id),
            UUID(preset.id),
            UUID(preset.organization_id),
        ],
        created_by=CREATED_BY,
        topic=topic,
        audience=audience,
        now=now,
    )


def resources_replaced(build: WorkspaceBuild, replacements: Mapping[str, list[str]]) -> None:
    """Count and tell that a claim's build replaced resources, inside the transaction that ends it.

    One fact per claim, whatever the number of resources.
    """
    if not replacements:
        return
    workspace = build.workspace
    first = workspace.builds.filter(build_number=1).select_related("template_version_preset").first()
    preset = first.template_version_preset if first else None
    if preset is None:
        log.warning("replaced resources of a claim without a preset", workspace_id=str(workspace.id))
        return
    causes = {address: ", ".join(paths) for address, paths in sorted(replacements.items())}
    PrebuildEvent.objects.create(
        kind=PrebuildEventKind.REPLACEMENT,
        organization_id=workspace.organization_id,
        template_id=workspace.template_id,
        preset=preset,
        preset_name=preset.name,
        workspace=workspace,
        details={"build_number": build.build_number, "replacements": causes},
    )
    notify(
        RESOURCE_REPLACED.id,
        or_owners(site_template_admins()),
        labels={
            "org": workspace.organization.name,
            "workspace": workspace.name,
            "template": workspace.template.name,
            "template_version": build.template_version.name,
            "preset": preset.name,
            "workspace_build_num": str(build.build_number),
            "claimant": workspace.owner.username,
        },
        data={"replacements": causes},
        targets=[
            workspace.id,
            workspace.owner_id,
            workspace.template_id,
            build.template_version_id,
            preset.id,
            workspace.organization_id,
            build.id,
        ],
        created_by=CREATED_BY,
        topic=workspace.template_id,
    )
