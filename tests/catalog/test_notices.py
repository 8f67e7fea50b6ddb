"""Which messages templates and imports send, and to whom."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from coder_admin.catalog.models import TemplateVersion
from coder_admin.catalog.notices import TEMPLATE_DELETED, VERSION_IMPORT_FAILED
from coder_admin.catalog.services import template_delete, version_import_fail
from coder_admin.notifications.kinds import Kind
from coder_admin.notifications.models import NotificationIncident, NotificationMessage
from coder_admin.notifications.rendering import render
from coder_admin.organizations.models import Organization
from coder_admin.provisioning.models import ProvisionerJob

from .factories import actor_of, make_template, make_user, make_version


def told(kind: Kind) -> dict[str, dict[str, Any]]:
    rows = NotificationMessage.objects.filter(notification_template_id=kind.id, method="inbox")
    return {row.user.username: row.payload for row in rows.select_related("user")}


def test_a_deleted_template_is_told_to_owners_and_template_admins_but_not_to_who_did_it(
    organization: Organization,
) -> None:
    boss = make_user(organization, roles=["owner"], username="boss")
    make_user(organization, roles=["owner"], username="other")
    make_user(roles=["template-admin"], username="curator")
    make_user(organization, username="nobody")
    template = make_template(boss, organization, "web", display_name="The <Web>")
    template_delete(actor=actor_of(boss), template=template)
    messages = told(TEMPLATE_DELETED)
    assert set(messages) == {"other", "curator"}
    assert messages["other"]["labels"] == {"name": "The <Web>", "initiator": "boss"}
    assert render(TEMPLATE_DELETED, messages["other"]).title == 'Template "The <Web>" deleted'


def fail(version: TemplateVersion, *, canceled: bool = False) -> None:
    now = timezone.now()
    with transaction.atomic():
        ProvisionerJob.objects.filter(pk=version.job_id).update(
            started_at=now, completed_at=now, error="broken", canceled_at=now if canceled else None
        )
        version_import_fail(version_id=version.id, error="main.tf:3: unknown *function* \x00 `nope`")


def test_a_failed_import_is_told_to_its_author(organization: Organization) -> None:
    author = make_user(organization, roles=["template-admin"], username="author")
    make_user(organization, roles=["template-admin"], username="other")
    template = make_template(author, organization, "web")
    version = make_version(author, organization, template=template, done=False)
    fail(version)
    messages = told(VERSION_IMPORT_FAILED)
    assert set(messages) == {"author"}
    payload = messages["author"]
    assert payload["labels"]["template"] == "web"
    assert "\x00" not in payload["labels"]["error"]
    url = payload["actions"][0]["url"]
    assert url.endswith(f"/templates/{organization.name}/web/versions/{version.name}")
    body = render(VERSION_IMPORT_FAILED, payload).body
    assert "\\*function\\*" in body
    for _ in range(2):
        fail(make_version(author, organization, template=template, done=False))
    assert NotificationMessage.objects.filter(method="inbox").count() == 1, "a burst"
    assert NotificationIncident.objects.count() == 2


def test_one_authors_failed_imports_hold_up_no_other_authors_message(organization: Organization) -> None:
    first = make_user(organization, roles=["template-admin"], username="first")
    second = make_user(organization, roles=["template-admin"], username="second")
    template = make_template(first, organization, "web")
    for author in (first, second, first, second):
        fail(make_version(author, organization, template=template, done=False))
    assert set(told(VERSION_IMPORT_FAILED)) == {"first", "second"}
    held = NotificationIncident.objects.values_list("recipients", flat=True)
    assert sorted(held) == sorted([[str(first.id)], [str(second.id)]]), "the second of each, for them alone"


def test_a_failed_import_without_a_template_leads_to_the_templates(organization: Organization) -> None:
    author = make_user(organization, roles=["template-admin"], username="author")
    fail(make_version(author, organization, done=False))
    payload = told(VERSION_IMPORT_FAILED)["author"]
    assert payload["actions"][0]["label"] == "View templates"
    assert payload["actions"][0]["url"].endswith("/templates")


def test_a_canceled_import_is_no_news(organization: Organization) -> None:
    author = make_user(organization, roles=["template-admin"], username="author")
    fail(make_version(author, organization, done=False), canceled=True)
    assert not told(VERSION_IMPORT_FAILED)
