"""A template that changes between the moment somebody read it and the creation of their workspace."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections, transaction

from coder_admin.catalog.models import Template, TemplateVersionPreset
from coder_admin.catalog.services.templates import template_delete, template_deprecate
from coder_admin.foundation.errors import Invalid, ServiceError
from coder_admin.organizations.models import PREBUILDS_USER_ID
from coder_admin.workspaces.models import Workspace
from prebuilds.claim import claim
from prebuilds.models import PrebuildEvent
from prebuilds.services import preset_invalidate
from rbac import Subject
from tests.prebuilds import world
from tests.prebuilds.conftest import claim_request
from tests.prebuilds.test_claim_whole import create
from tests.prebuilds.world import Prebuild


def pool() -> tuple[Template, TemplateVersionPreset]:
    template = world.template()
    preset = world.preset(template.active_version, 1)
    Prebuild(preset, template.active_version).save()
    return template, preset


def unclaimed() -> int:
    return Workspace.objects.filter(owner=PREBUILDS_USER_ID, deleted=False).count()


@pytest.mark.django_db
def test_a_template_that_was_deprecated_meanwhile_is_refused(actor: Subject) -> None:
    template, preset = pool()
    stale = Template.objects.get(pk=template.pk)
    template_deprecate(actor=actor, template=template, message="Use web2.")
    with pytest.raises(Invalid, match="deprecated") as caught:
        create(stale, preset, "late")
    assert caught.value.detail == "Use web2."
    assert unclaimed() == 1


@pytest.mark.django_db
def test_a_template_that_was_deleted_meanwhile_is_refused(actor: Subject) -> None:
    template, preset = pool()
    stale = Template.objects.get(pk=template.pk)
    template_delete(actor=actor, template=template)
    with pytest.raises(Invalid, match="deleted"):
        create(stale, preset, "late")
    assert unclaimed() == 1


@pytest.mark.django_db
def test_a_version_that_was_promoted_meanwhile_is_the_one_that_is_built() -> None:
    template, _ = pool()
    stale = Template.objects.get(pk=template.pk)
    newer = world.version(template, "v2")
    preset = world.preset(newer, 1)
    Template.objects.filter(pk=template.pk).update(active_version=newer)
    build = create(stale, preset, "late").latest_build
    assert build is not None
    assert build.template_version_id == newer.id


@pytest.mark.django_db
def test_a_deprecated_template_gives_nothing_from_its_pool() -> None:
    template, preset = pool()
    Template.objects.filter(pk=template.pk).update(deprecation_message="Use web2.")
    assert claim(claim_request(preset, world.person())) is None


@pytest.mark.django_db
def test_an_invalidation_after_the_preset_was_read_holds(actor: Subject) -> None:
    _, preset = pool()
    request = claim_request(preset, world.person())
    preset_invalidate(actor=actor, preset=TemplateVersionPreset.objects.get(pk=preset.pk))
    assert claim(request) is None


@pytest.mark.django_db
def test_a_version_that_keeps_no_pool_has_no_misses() -> None:
    """The hit rate says how well pools are sized; who wants an older version never asked one."""
    template, preset = pool()
    newer = world.version(template, "v2")
    world.preset(newer, 1)
    Template.objects.filter(pk=template.pk).update(active_version=newer)
    create(Template.objects.get(pk=template.pk), preset, "old", version=preset.template_version)
    assert not PrebuildEvent.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_creation_waits_for_a_deletion_that_is_under_way(actor: Subject) -> None:
    template, preset = pool()
    answers: list[object] = []
    with transaction.atomic():
        template_delete(actor=actor, template=template)
        thread = in_a_thread(lambda: create(template, preset, "late"), answers)
        thread.join(0.5)
        assert thread.is_alive()
        assert answers == []
    thread.join(30)
    assert [type(answer) for answer in answers] == [Invalid]
    assert unclaimed() == 1


def in_a_thread(work: Callable[[], Any], answers: list[object]) -> threading.Thread:
    def run() -> None:
        try:
            answers.append(work())
        except ServiceError as error:
            answers.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread
