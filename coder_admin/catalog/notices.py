"""The messages that templates and their versions send (notifications reference 1.1, 1.2)."""

from __future__ import annotations

from functools import partial
from uuid import UUID, uuid5

from coder_admin.notifications.kinds import ActionTemplate, Digest, Group, Icon, Kind, register
from coder_admin.notifications.recipients import OWNER, TEMPLATE_ADMIN, owners_and_template_admins
from coder_admin.notifications.services import notify
from rbac.model import Subject

from .guards import workspace_owners
from .models import Template, TemplateVersion

_kind = partial(Kind, group=Group.TEMPLATE, icon=Icon.TEMPLATE)

_VIEW_TEMPLATE = ActionTemplate(
    "View template",
    "{{ base_url }}/templates/{{ labels.organization|urlencode:'' }}/{{ labels.template|urlencode:'' }}",
)

TEMPLATE_DELETED = _kind(
    id=UUID("29a09665-2a4c-403f-9648-54301670e7be"),
    name="Template Deleted",
    title_template='Template "{{ labels.name }}" deleted',
    body_template=(
        "The template **{{ labels.name }}** was deleted by **{{ labels.initiator }}**. Nobody can create "
        "workspaces from it any more, and its prebuilt workspaces are removed."
    ),
    actions=(ActionTemplate("View templates", "{{ base_url }}/templates"),),
    summary="Sent to owners and template admins when somebody else deleted a template.",
    audience=(OWNER, TEMPLATE_ADMIN),
)

TEMPLATE_DEPRECATED = _kind(
    id=UUID("f40fae84-55a2-42cd-99fa-b41c1ca64894"),
    name="Template Deprecated",
    title_template="Template '{{ labels.template }}' has been deprecated",
    body_template=(
        "The template **{{ labels.template }}** of {{ labels.organization }} is deprecated: workspaces that "
        "exist go on working, new ones cannot be created from it. The reason given:\n\n"
        "> {{ labels.message }}"
    ),
    actions=(
        ActionTemplate(
            "See affected workspaces",
            "{{ base_url }}/workspaces?filter=owner:me+template:{{ labels.template|urlencode:'' }}",
        ),
        _VIEW_TEMPLATE,
    ),
    summary="Sent to everybody who has a workspace of a template that was deprecated.",
)

VERSION_IMPORT_FAILED = _kind(
    # A kind of our own: the reference has none for imports.
    id=UUID("5b1c3c0e-8d2e-4b5a-9c57-6a6f0f1f3c21"),
    name="Template Version Import Failed",
    title_template='The import of version "{{ labels.template_version }}" failed',
    body_template=(
        "The version **{{ labels.template_version }}**"
        "{% if labels.template %} of the template **{{ labels.template }}**{% endif %} could not be imported:"
        "\n\n> {{ labels.error }}\n\nCorrect the template's files and upload them as a new version."
    ),
    actions=(
        ActionTemplate(
            "{% if labels.template %}View template version{% else %}View templates{% endif %}",
            "{{ base_url }}/templates{% if labels.template %}/{{ labels.organization|urlencode:'' }}"
            "/{{ labels.template|urlencode:'' }}/versions/{{ labels.template_version|urlencode:'' }}"
            "{% endif %}",
        ),
    ),
    digest=Digest(
        title_template="{{ data.digest.count }} more imports"
        "{% if labels.template %} of {{ labels.template }}{% endif %} failed",
        body_template=(
            "The imports of these versions"
            "{% if labels.template %} of the template **{{ labels.template }}**{% endif %} failed:\n\n"
            "{% for incident in data.digest.incidents %}"
            "- **{{ incident.template_version }}**: {{ incident.error }}\n"
            "{% endfor %}"
            "{% if data.digest.more %}- and {{ data.digest.more }} more\n{% endif %}"
        ),
        actions=(
            ActionTemplate(
                "View versions",
                "{{ base_url }}/templates{% if labels.template %}/{{ labels.organization|urlencode:'' }}"
                "/{{ labels.template|urlencode:'' }}/versions{% endif %}",
            ),
        ),
    ),
    summary="Sent to whoever uploaded a template version that could not be imported.",
)

ERROR_SHOWN = 500
MESSAGE_SHOWN = 2_000


def register_kinds() -> None:
    """Make the messages known."""
    for kind in (TEMPLATE_DELETED, TEMPLATE_DEPRECATED, VERSION_IMPORT_FAILED):
        register(kind)


def template_deleted(template: Template, actor: Subject) -> None:
    """Tell owners and template admins, except whoever did it."""
    notify(
        TEMPLATE_DELETED.id,
        owners_and_template_admins(but_not=[UUID(actor.id)]),
        labels={"name": template.display_name or template.name, "initiator": actor.username},
        targets=[template.id, template.organization_id],
        created_by="api-templates-delete",
    )


def template_deprecated(template: Template) -> None:
    """Tell each owner of a workspace of the template once."""
    notify(
        TEMPLATE_DEPRECATED.id,
        workspace_owners(template.id),
        labels={
            "template": template.name,
            "message": template.deprecation_message[:MESSAGE_SHOWN],
            "organization": template.organization.name,
        },
        targets=[template.id, template.organization_id],
        created_by="notify-users-of-template-deprecation",
    )


def version_import_failed(version: TemplateVersion, error: str) -> None:
    """Tell the author; what one author uploads within a while to one template becomes one message. Each
    author's imports are a topic of their own, so that nobody's first failure waits for another's window."""
    template = version.template
    notify(
        VERSION_IMPORT_FAILED.id,
        [version.created_by_id],
        labels={
            "organization": version.organization.name,
            "template": template.name if template else "",
            "template_version": version.name,
            "error": error[:ERROR_SHOWN],
        },
        targets=[version.id, version.organization_id, *([template.id] if template else [])],
        created_by="provisionerdserver",
        topic=uuid5(template.id, str(version.created_by_id)) if template else None,
    )
