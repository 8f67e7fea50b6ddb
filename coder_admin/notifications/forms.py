"""The bodies that REST of notifications takes."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from coder_admin.foundation.fields import JsonBoolean


class SettingsForm(serializers.Serializer[Any]):
    notifier_paused = JsonBoolean()


class ReadForm(serializers.Serializer[Any]):
    is_read = JsonBoolean()


class PreferencesForm(serializers.Serializer[Any]):
    template_disabled_map = serializers.DictField(child=JsonBoolean())


class MethodPreferencesForm(serializers.Serializer[Any]):
    method_disabled_map = serializers.DictField(child=serializers.DictField(child=JsonBoolean()))


class MethodForm(serializers.Serializer[Any]):
    method = serializers.CharField(allow_blank=True)
