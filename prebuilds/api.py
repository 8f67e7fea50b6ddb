"""REST of the pools (reference section 9): settings, invalidation, reset, and a pool's state."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from coder_admin.foundation.errors import Invalid, NotFound, Validation
from prebuilds import selectors, services
from prebuilds.settings import reconciliation_paused
from prebuilds.snapshot import PrebuildStatus
from rbac.rest import ApiView


class PrebuildsSettingsSerializer(serializers.Serializer[Any]):
    """`reconciliation_paused` stops creation, deletion and cancelling of prebuilds everywhere."""

    reconciliation_paused = serializers.BooleanField()


class InvalidatedSerializer(serializers.Serializer[Any]):
    """A preset whose prebuilds count as expired now."""

    template_name = serializers.CharField()
    template_version_name = serializers.CharField()
    preset_name = serializers.CharField()


class InvalidationSerializer(serializers.Serializer[Any]):
    """What an invalidation reached."""

    invalidated = InvalidatedSerializer(many=True)


class StartedSerializer(serializers.Serializer[Any]):
    """The prebuild that was begun."""

    workspace_id = serializers.UUIDField()
    workspace_name = serializers.CharField()
    build_id = serializers.UUIDField()
    job_id = serializers.UUIDField()


class PoolStateSerializer(serializers.Serializer[Any]):
    """Counts of a pool (`prebuilds_explain` prints the same)."""

    actual = serializers.IntegerField()
    expired = serializers.IntegerField()
    desired = serializers.IntegerField()
    eligible = serializers.IntegerField()
    extraneous = serializers.IntegerField()
    starting = serializers.IntegerField()
    stopping = serializers.IntegerField()
    deleting = serializers.IntegerField()


STATUSES = [status.value for status in PrebuildStatus]


class PoolSerializer(serializers.Serializer[Any]):
    """One pool: counts, the stored status beside the condition that holds now, and why it is so.

    `hit_rate` is the share of the last 24 hours' requests that the pool served, null when there were none.
    """

    preset_id = serializers.UUIDField()
    preset_name = serializers.CharField()
    template_version_id = serializers.UUIDField()
    state = PoolStateSerializer()
    prebuild_status = serializers.ChoiceField(choices=STATUSES)
    condition = serializers.ChoiceField(choices=STATUSES)
    failed = serializers.IntegerField()
    claims = serializers.IntegerField()
    misses = serializers.IntegerField()
    hit_rate = serializers.FloatField(allow_null=True)
    sentence = serializers.CharField()
    why = serializers.ListField(child=serializers.CharField())


def _invalidation(items: list[services.Invalidated]) -> Response:
    return Response({"invalidated": [asdict(item) for item in items]})


class PrebuildsSettingsView(ApiView):
    """The deployment's prebuilds settings."""

    @extend_schema(responses=PrebuildsSettingsSerializer, operation_id="prebuilds_settings_read")
    def get(self, request: Request) -> Response:
        """Whether reconciliation is paused; false when nothing was ever stored."""
        return Response({"reconciliation_paused": reconciliation_paused()})

    @extend_schema(
        request=PrebuildsSettingsSerializer,
        responses={200: PrebuildsSettingsSerializer, 304: OpenApiResponse(description="Nothing changed.")},
        operation_id="prebuilds_settings_update",
    )
    def put(self, request: Request) -> Response:
        """Pause or resume all pools. 304 with an empty body when that is stored already."""
        paused = _boolean(request.data, "reconciliation_paused")
        if not services.settings_update(actor=self.actor, reconciliation_paused=paused):
            return Response(status=status.HTTP_304_NOT_MODIFIED)
        return Response({"reconciliation_paused": paused})


class TemplateInvalidateView(ApiView):
    """Invalidation of all pools of a template's active version."""

    @extend_schema(
        request=None, responses=InvalidationSerializer, operation_id="template_prebuilds_invalidate"
    )
    def post(self, request: Request, template: UUID) -> Response:
        """Let all waiting prebuilds count as expired; the loop deletes and replaces them."""
        found = selectors.template_to_change(self.actor, template)
        return _invalidation(services.template_invalidate(actor=self.actor, template=found))


class PresetInvalidateView(ApiView):
    """Invalidation of one pool."""

    @extend_schema(request=None, responses=InvalidationSerializer, operation_id="preset_prebuilds_invalidate")
    def post(self, request: Request, preset: UUID) -> Response:
        """Let the waiting prebuilds of one preset count as expired."""
        found = selectors.preset_to_change(self.actor, preset)
        return _invalidation(services.preset_invalidate(actor=self.actor, preset=found))


class PresetResetView(ApiView):
    """Reset of a pool that was stopped."""

    @extend_schema(request=None, responses={204: None}, operation_id="preset_prebuilds_reset")
    def post(self, request: Request, preset: UUID) -> Response:
        """Clear the preset's status and forgive earlier failures, so that the loop tries again."""
        services.preset_reset(actor=self.actor, preset=selectors.preset_to_change(self.actor, preset))
        return Response(status=status.HTTP_204_NO_CONTENT)


class PresetBuildView(ApiView):
    """One prebuild more, by hand."""

    @extend_schema(
        request=None, responses={201: StartedSerializer}, operation_id="preset_prebuilds_build_one"
    )
    def post(self, request: Request, preset: UUID) -> Response:
        """Begin one prebuild now, whatever backoff, limit or pause say."""
        found = selectors.preset_to_change(self.actor, preset)
        build = services.preset_build_one(actor=self.actor, preset=found)
        started = {
            "workspace_id": build.workspace_id,
            "workspace_name": build.workspace.name,
            "build_id": build.id,
            "job_id": build.job_id,
        }
        return Response(StartedSerializer(started).data, status=status.HTTP_201_CREATED)


class PresetPoolView(ApiView):
    """The pool of one preset."""

    @extend_schema(responses=PoolSerializer, operation_id="preset_prebuilds_read")
    def get(self, request: Request, preset: UUID) -> Response:
        """How the pool is and why. 404 for a preset that keeps none."""
        pool = selectors.pool_of(self.actor, selectors.preset_to_read(self.actor, preset))
        if pool is None:
            raise NotFound
        told = {
            "preset_id": pool.preset.id,
            "preset_name": pool.preset.name,
            "template_version_id": pool.preset.template_version_id,
            "state": asdict(pool.state),
            "prebuild_status": pool.preset.prebuild_status.value,
            "condition": pool.condition.value,
            "failed": pool.failed,
            "claims": pool.demand.claims,
            "misses": pool.demand.misses,
            "hit_rate": pool.demand.hit_rate,
            "sentence": pool.sentence,
            "why": pool.why,
        }
        return Response(PoolSerializer(told).data)


def _boolean(body: Any, name: str) -> bool:
    """A JSON true or false, and nothing that merely looks like one."""
    value = body.get(name) if isinstance(body, dict) else None
    if not isinstance(value, bool):
        raise Invalid(
            "The settings of prebuilds are not valid.",
            validations=[Validation(name, "Send true or false.")],
        )
    return value
