"""How templates, versions and presets look in the API (names of notifications-agents-provisioning.md 9)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from coder_admin.organizations.models import Group, User
from coder_admin.provisioning.presenting import job_json, matched_json
from coder_admin.provisioning.selectors import QueuePosition, job_queue_positions

from .models import (
    Template,
    TemplateVersion,
    TemplateVersionParameter,
    TemplateVersionPreset,
    TemplateVersionVariable,
)

Body = dict[str, Any]
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def days_of_week(mask: int) -> list[str]:
    """Names of the days in a bit mask whose bit 0 is Monday."""
    return [day for bit, day in enumerate(WEEKDAYS) if mask & 1 << bit]


def day_mask(days: list[str]) -> int:
    """The bit mask of day names. KeyError is impossible: the serializer takes known names only."""
    return sum(1 << WEEKDAYS.index(day) for day in set(days))


def user_body(user: User) -> Body:
    """A user where it is mentioned only."""
    return {"id": str(user.id), "username": user.username, "name": user.name, "avatar_url": user.avatar_url}


def group_body(group: Group) -> Body:
    """A group where it is mentioned only."""
    return {
        "id": str(group.id),
        "name": group.name,
        "display_name": group.display_name,
        "organization_id": str(group.organization_id),
        "avatar_url": group.avatar_url,
    }


def template_body(template: Template) -> Body:
    """A template with its settings."""
    organization = template.organization
    return {
        "id": str(template.id),
        "created_at": template.created_at,
        "updated_at": template.updated_at,
        "organization_id": str(organization.id),
        "organization_name": organization.name,
        "organization_display_name": organization.display_name,
        "organization_icon": organization.icon,
        "name": template.name,
        "display_name": template.display_name,
        "description": template.description,
        "icon": template.icon,
        "provisioner": template.provisioner,
        "active_version_id": str(template.active_version_id) if template.active_version_id else "",
        "created_by_id": str(template.created_by_id),
        "created_by_name": template.created_by.username,
        "deleted": template.deleted,
        "deprecated": template.deprecated,
        "deprecation_message": template.deprecation_message,
        "default_ttl_ms": template.default_ttl_ms,
        "max_ttl_ms": template.max_ttl_ms,
        "activity_bump_ms": template.activity_bump_ms,
        "autostart_requirement": {"days_of_week": days_of_week(template.autostart_days_of_week)},
        "allow_user_autostart": template.allow_user_autostart,
        "allow_user_autostop": template.allow_user_autostop,
        "allow_user_cancel_workspace_jobs": template.allow_user_cancel_workspace_jobs,
        "failure_ttl_ms": template.failure_ttl_ms,
        "time_til_dormant_ms": template.time_til_dormant_ms,
        "time_til_dormant_autodelete_ms": template.time_til_dormant_autodelete_ms,
        "require_active_version": template.require_active_version,
        "use_classic_parameter_flow": template.use_classic_parameter_flow,
    }


def version_body(version: TemplateVersion) -> Body:
    """A version with its import's job."""
    return version_bodies([version])[0]


def version_bodies(versions: Sequence[TemplateVersion]) -> list[Body]:
    """Versions with their jobs and places in the queue, by a constant number of queries."""
    positions = job_queue_positions([version.job for version in versions])
    return [_version_body(version, positions[version.job_id]) for version in versions]


def _version_body(version: TemplateVersion, position: QueuePosition) -> Body:
    return {
        "id": str(version.id),
        "template_id": str(version.template_id) if version.template_id else None,
        "organization_id": str(version.organization_id),
        "created_at": version.created_at,
        "updated_at": version.updated_at,
        "name": version.name,
        "message": version.message,
        "readme": version.readme,
        "archived": version.archived,
        "created_by": user_body(version.created_by),
        "job": job_json(version.job, position=position),
        "matched_provisioners": matched_json(position),
        "warnings": version.diagnostics,
    }


def preset_body(preset: TemplateVersionPreset) -> Body:
    """A preset; the keys are capitalised because Coder's are."""
    return {
        "ID": str(preset.id),
        "Name": preset.name,
        "Parameters": [{"Name": p.name, "Value": p.value} for p in preset.parameters.all()],
        "Default": preset.is_default,
        "DesiredPrebuildInstances": preset.desired_instances,
        "Description": preset.description,
        "Icon": preset.icon,
    }


def variable_body(variable: TemplateVersionVariable) -> Body:
    """A variable; of a sensitive one neither value nor default is shown."""
    hidden = variable.sensitive
    return {
        "name": variable.name,
        "description": variable.description,
        "type": variable.type,
        "value": "" if hidden else variable.value,
        "default_value": "" if hidden else variable.default_value,
        "required": variable.required,
        "sensitive": variable.sensitive,
    }


def rich_parameter_body(parameter: TemplateVersionParameter) -> Body:
    """A parameter as the import found it."""
    return {
        "name": parameter.name,
        "display_name": parameter.display_name,
        "description": parameter.description,
        "description_plaintext": parameter.description,
        "type": parameter.type,
        "form_type": parameter.form_type,
        "mutable": parameter.mutable,
        "default_value": parameter.default_value,
        "icon": parameter.icon,
        "options": parameter.options,
        "validation_error": parameter.validation_error,
        "validation_regex": parameter.validation_regex,
        "validation_min": parameter.validation_min,
        "validation_max": parameter.validation_max,
        "validation_monotonic": parameter.validation_monotonic,
        "required": parameter.required,
        "ephemeral": parameter.ephemeral,
    }
