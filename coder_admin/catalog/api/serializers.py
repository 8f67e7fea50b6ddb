"""What the endpoints take in."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from coder_admin.foundation.fields import JsonBoolean

from ..representations import WEEKDAYS, day_mask


class AutostartRequirement(serializers.Serializer[Any]):
    days_of_week = serializers.ListField(child=serializers.ChoiceField(choices=WEEKDAYS))


class TemplateSettings(serializers.Serializer[Any]):
    """The settings that POST and PATCH share; limits are the service's."""

    display_name = serializers.CharField(required=False, allow_blank=True)
    description = serializers.CharField(required=False, allow_blank=True)
    icon = serializers.CharField(required=False, allow_blank=True)
    deprecation_message = serializers.CharField(required=False, allow_blank=True)
    default_ttl_ms = serializers.IntegerField(required=False)
    max_ttl_ms = serializers.IntegerField(required=False)
    activity_bump_ms = serializers.IntegerField(required=False)
    failure_ttl_ms = serializers.IntegerField(required=False)
    time_til_dormant_ms = serializers.IntegerField(required=False)
    time_til_dormant_autodelete_ms = serializers.IntegerField(required=False)
    allow_user_autostart = JsonBoolean(required=False)
    allow_user_autostop = JsonBoolean(required=False)
    allow_user_cancel_workspace_jobs = JsonBoolean(required=False)
    require_active_version = JsonBoolean(required=False)
    use_classic_parameter_flow = JsonBoolean(required=False)
    disable_everyone_group_access = JsonBoolean(required=False)
    autostart_requirement = AutostartRequirement(required=False)

    def settings(self) -> dict[str, Any]:
        """The validated input as arguments of the services."""
        given = dict(self.validated_data)
        requirement = given.pop("autostart_requirement", None)
        if requirement is not None:
            given["autostart_days_of_week"] = day_mask(requirement["days_of_week"])
        return given


class CreateTemplate(TemplateSettings):
    name = serializers.CharField()
    template_version_id = serializers.UUIDField()


class UpdateTemplate(TemplateSettings):
    name = serializers.CharField(required=False, allow_blank=True)


class VariableValue(serializers.Serializer[Any]):
    name = serializers.CharField()
    value = serializers.CharField(allow_blank=True, trim_whitespace=False)


class CreateVersion(serializers.Serializer[Any]):
    name = serializers.CharField(required=False, allow_blank=True)
    message = serializers.CharField(required=False, allow_blank=True)
    template_id = serializers.UUIDField(required=False, allow_null=True)
    storage_method = serializers.ChoiceField(choices=["file"], required=False)
    file_id = serializers.UUIDField()
    provisioner = serializers.CharField(required=False, allow_blank=True)
    tags = serializers.DictField(child=serializers.CharField(allow_blank=True), required=False)
    user_variable_values = VariableValue(many=True, required=False)


class UpdateVersion(serializers.Serializer[Any]):
    name = serializers.CharField(required=False, allow_blank=True)
    message = serializers.CharField(required=False, allow_blank=True)


class PromoteVersion(serializers.Serializer[Any]):
    id = serializers.UUIDField()


class UpdateAcl(serializers.Serializer[Any]):
    user_perms = serializers.DictField(child=serializers.CharField(allow_blank=True), required=False)
    group_perms = serializers.DictField(child=serializers.CharField(allow_blank=True), required=False)
