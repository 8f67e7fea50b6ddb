"""The kinds of messages about workspaces and their builds, as data (notifications reference 1.1, 1.2)."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from coder_admin.notifications.kinds import ActionTemplate, Digest, Group, Icon, Kind, register
from coder_admin.notifications.recipients import OWNER, TEMPLATE_ADMIN

_kind = partial(Kind, group=Group.WORKSPACE, icon=Icon.WORKSPACE)

_VIEW_WORKSPACE = ActionTemplate(
    "View workspace",
    "{{ base_url }}/@{{ labels.workspace_owner_username|urlencode:'' }}/{{ labels.workspace|urlencode:'' }}",
)
_VIEW_OWN = ActionTemplate(
    "View workspace",
    "{{ base_url }}/@{{ user_username|urlencode:'' }}/{{ labels.name|urlencode:'' }}",
)
# The build, where there is one: an automatic build can be refused before it begins.
_VIEW_OWN_BUILD = ActionTemplate(
    "{% if data.workspace_build_number %}View build{% else %}View workspace{% endif %}",
    _VIEW_OWN.url
    + "{% if data.workspace_build_number %}/builds/{{ data.workspace_build_number|urlencode:'' }}{% endif %}",
)

WORKSPACE_CREATED = _kind(
    id=UUID("281fdf73-c6d6-4cbb-8ff5-888baf8a2fff"),
    name="Workspace Created",
    title_template="Workspace '{{ labels.workspace }}' has been created",
    body_template=(
        "The workspace **{{ labels.workspace }}** has been created from the template "
        "**{{ labels.template }}** in the version **{{ labels.version }}**."
    ),
    actions=(
        ActionTemplate(
            "View workspace",
            "{{ base_url }}/@{{ user_username|urlencode:'' }}/{{ labels.workspace|urlencode:'' }}",
        ),
    ),
    enabled_by_default=False,
    summary="Sent to you when a workspace of yours was created.",
)

WORKSPACE_MANUALLY_UPDATED = _kind(
    id=UUID("d089fe7b-d5c5-4c0c-aaf5-689859f7d392"),
    name="Workspace Manually Updated",
    title_template="Workspace '{{ labels.workspace }}' has been manually updated",
    body_template=(
        "**{{ labels.initiator }}** moved the workspace **{{ labels.workspace }}** of "
        "{{ labels.workspace_owner_username }} to the version **{{ labels.version }}** of the template "
        "**{{ labels.template }}** in {{ labels.organization }}."
    ),
    actions=(
        _VIEW_WORKSPACE,
        ActionTemplate(
            "View template version",
            "{{ base_url }}/templates/{{ labels.organization|urlencode:'' }}"
            "/{{ labels.template|urlencode:'' }}/versions/{{ labels.version|urlencode:'' }}",
        ),
    ),
    enabled_by_default=False,
    summary="Sent to owners and template admins when somebody moved a workspace to another version.",
    audience=(OWNER, TEMPLATE_ADMIN),
)

WORKSPACE_UPDATED_AUTOMATICALLY = _kind(
    id=UUID("c34a0c09-0704-4cac-bd1c-0c0146811c2b"),
    name="Workspace Updated Automatically",
    title_template='Workspace "{{ labels.name }}" updated automatically',
    body_template=(
        "Your workspace **{{ labels.name }}** started on the newest version of its template, "
        "**{{ labels.template_version_name }}**."
        "{% if labels.template_version_message %}\n\n> {{ labels.template_version_message }}{% endif %}"
    ),
    actions=(_VIEW_OWN,),
    summary="Sent to you when a workspace of yours moved to a new version by itself.",
)

WORKSPACE_DORMANT = _kind(
    id=UUID("0ea69165-ec14-4314-91f1-69566ac3c5a0"),
    name="Workspace Marked as Dormant",
    title_template='Workspace "{{ labels.name }}" marked as dormant',
    body_template=(
        "Your workspace **{{ labels.name }}** was marked as dormant by **{{ labels.initiator }}**: "
        "{{ labels.reason }}. It is stopped and cannot be started before somebody wakes it."
        "{% if labels.timeTilDormant %} If nobody does, it is deleted in {{ labels.timeTilDormant }}."
        "{% endif %}"
    ),
    actions=(_VIEW_OWN,),
    summary="Sent to you when a workspace of yours was marked as dormant.",
)

WORKSPACE_MARKED_FOR_DELETION = _kind(
    id=UUID("51ce2fdf-c9ca-4be1-8d70-628674f9bc42"),
    name="Workspace Marked for Deletion",
    title_template='Workspace "{{ labels.name }}" marked for deletion',
    body_template=(
        "Your dormant workspace **{{ labels.name }}** is deleted in **{{ labels.timeTilDormant }}**: "
        "{{ labels.reason }}. Wake it to keep it."
    ),
    actions=(_VIEW_OWN,),
    summary="Sent to you when it was decided that a dormant workspace of yours will be deleted.",
)

WORKSPACE_DELETED = _kind(
    id=UUID("f517da0b-cdc9-410f-ab89-a86107c420ed"),
    name="Workspace Deleted",
    title_template='Workspace "{{ labels.name }}" deleted',
    body_template=(
        "Your workspace **{{ labels.name }}** was deleted by **{{ labels.initiator }}**: {{ labels.reason }}."
    ),
    actions=(
        ActionTemplate("View workspaces", "{{ base_url }}/workspaces?filter=owner:me"),
        ActionTemplate("View templates", "{{ base_url }}/templates"),
    ),
    summary="Sent to you when somebody else deleted a workspace of yours.",
)

AUTOBUILD_FAILED = _kind(
    id=UUID("381df2a9-c0c0-4749-420f-80a9280c66f9"),
    name="Workspace Autobuild Failed",
    title_template='Workspace "{{ labels.name }}" autobuild failed',
    body_template=(
        "The automatic build of your workspace **{{ labels.name }}** "
        "{% if data.previous_build_number %}could not begin: {{ labels.reason }}"
        "{% else %}failed. It was begun by: **{{ labels.reason }}**.{% endif %}"
    ),
    actions=(_VIEW_OWN_BUILD,),
    digest=Digest(
        title_template='{{ data.digest.count }} more autobuilds of "{{ labels.name }}" failed',
        body_template=(
            "{{ data.digest.count }} more automatic builds of your workspace **{{ labels.name }}** failed "
            "since the last message:\n\n"
            "{% for incident in data.digest.incidents %}- "
            "{% if incident.workspace_build_number %}"
            "[build {{ incident.workspace_build_number }}]({{ base_url }}/@{{ user_username }}"
            "/{{ labels.name }}/builds/{{ incident.workspace_build_number }})"
            "{% elif incident.previous_build_number %}could not begin{% else %}a build{% endif %}"
            ": {{ incident.reason }}\n"
            "{% endfor %}"
            "{% if data.digest.more %}- and {{ data.digest.more }} more\n{% endif %}"
        ),
        actions=(ActionTemplate("View builds", _VIEW_OWN.url + "/builds"),),
    ),
    summary="Sent to you when a build that nobody began by hand failed in a workspace of yours.",
)

MANUAL_BUILD_FAILED = _kind(
    id=UUID("2faeee0f-26cb-4e96-821c-85ccb9f71513"),
    name="Workspace Manual Build Failed",
    title_template='Workspace "{{ labels.name }}" manual build failed',
    body_template=(
        "A build of the workspace **{{ labels.name }}** of {{ labels.workspace_owner_username }}, begun by "
        "**{{ labels.initiator }}**, failed. Template **{{ labels.template_name }}**, version "
        "**{{ labels.template_version_name }}**."
    ),
    actions=(
        ActionTemplate(
            "View build",
            "{{ base_url }}/@{{ labels.workspace_owner_username|urlencode:'' }}"
            "/{{ labels.name|urlencode:'' }}/builds/{{ labels.workspace_build_number|urlencode:'' }}",
        ),
    ),
    digest=Digest(
        title_template="{{ data.digest.count }} more builds of {{ labels.template_name }} failed",
        body_template=(
            "{{ data.digest.count }} more builds of workspaces of the template "
            "**{{ labels.template_name }}** failed:\n\n"
            "{% for incident in data.digest.incidents %}"
            "- **{{ incident.name }}** of {{ incident.workspace_owner_username }}, build "
            "{{ incident.workspace_build_number }}, version {{ incident.template_version_name }}\n"
            "{% endfor %}"
            "{% if data.digest.more %}- and {{ data.digest.more }} more\n{% endif %}"
        ),
        actions=(
            ActionTemplate(
                "View failed workspaces",
                # By its name: the label is what it is displayed as.
                "{{ base_url }}/workspaces?filter=status:failed+template:"
                "{{ data.digest.incidents.0.template|urlencode:'' }}",
            ),
        ),
    ),
    summary="Sent to template admins of the organization when a build that somebody began failed.",
    audience=(OWNER, TEMPLATE_ADMIN),
)

KINDS = (
    WORKSPACE_CREATED,
    WORKSPACE_MANUALLY_UPDATED,
    WORKSPACE_UPDATED_AUTOMATICALLY,
    WORKSPACE_DORMANT,
    WORKSPACE_MARKED_FOR_DELETION,
    WORKSPACE_DELETED,
    AUTOBUILD_FAILED,
    MANUAL_BUILD_FAILED,
)


def register_kinds() -> None:
    """Make the messages known."""
    for kind in KINDS:
        register(kind)
