"""Storing what an import found: a constant number of inserts, whatever the size."""

from __future__ import annotations

from .imports import ImportedPreset, ImportResult
from .models import (
    TemplateVersion,
    TemplateVersionParameter,
    TemplateVersionPreset,
    TemplateVersionPresetParameter,
    TemplateVersionPresetPrebuildSchedule,
    TemplateVersionTerraformValues,
    TemplateVersionVariable,
)


def store_result(version: TemplateVersion, result: ImportResult) -> None:
    """Replace everything a version holds by the result of its import; runs in the caller's transaction."""
    version.readme = result.readme
    version.workspace_tags = dict(result.tags)
    version.resources = [dict(resource) for resource in result.resources]
    version.diagnostics = [dict(diagnostic) for diagnostic in result.diagnostics]
    version.external_auth_providers = list(result.external_auth_providers)
    version.save()
    TemplateVersionTerraformValues.objects.update_or_create(
        template_version=version,
        defaults={
            "cached_plan": dict(result.cached_plan),
            "cached_module_files_id": result.module_files_id,
            "provisionerd_version": result.api_version,
        },
    )
    version.variables.all().delete()
    TemplateVersionVariable.objects.bulk_create(
        TemplateVersionVariable(
            template_version=version,
            name=variable.name,
            type=variable.type,
            description=variable.description,
            value=variable.value,
            default_value=variable.default_value,
            required=variable.required,
            sensitive=variable.sensitive,
        )
        for variable in result.variables
    )
    _store_parameters(version, result)
    _store_presets(version, result.presets)


def _store_parameters(version: TemplateVersion, result: ImportResult) -> None:
    version.parameters.all().delete()
    TemplateVersionParameter.objects.bulk_create(
        TemplateVersionParameter(
            template_version=version,
            name=parameter.name,
            display_name=parameter.display_name,
            description=parameter.description,
            type=parameter.type,
            form_type=parameter.form_type,
            styling=dict(parameter.styling),
            mutable=parameter.mutable,
            default_value=parameter.default_value,
            icon=parameter.icon,
            options=[dict(option) for option in parameter.options],
            validation_regex=parameter.validation_regex,
            validation_min=parameter.validation_min,
            validation_max=parameter.validation_max,
            validation_error=parameter.validation_error,
            validation_monotonic=parameter.validation_monotonic,
            required=parameter.required,
            ephemeral=parameter.ephemeral,
            display_order=parameter.display_order,
        )
        for parameter in result.parameters
    )


def _store_presets(version: TemplateVersion, presets: tuple[ImportedPreset, ...]) -> None:
    version.presets.all().delete()
    rows = TemplateVersionPreset.objects.bulk_create(
        TemplateVersionPreset(
            template_version=version,
            name=preset.name,
            desired_instances=preset.instances,
            invalidate_after_secs=preset.ttl,
            scheduling_timezone=preset.timezone,
            is_default=preset.default,
            description=preset.description,
            icon=preset.icon,
        )
        for preset in presets
    )
    pairs = list(zip(rows, presets, strict=True))
    TemplateVersionPresetParameter.objects.bulk_create(
        TemplateVersionPresetParameter(template_version_preset=row, name=name, value=value)
        for row, preset in pairs
        for name, value in preset.parameters.items()
    )
    TemplateVersionPresetPrebuildSchedule.objects.bulk_create(
        TemplateVersionPresetPrebuildSchedule(
            preset=row,
            cron_expression=schedule.cron,
            desired_instances=schedule.instances,
            position=position,
        )
        for row, preset in pairs
        for position, schedule in enumerate(preset.schedules)
    )
