"""The pages of notifications: narrowing and marking the inbox, preferences, methods, the delivery log."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from coder_admin.audit.models import AuditLog
from coder_admin.catalog.models import Template
from coder_admin.dashboard.selectors import inbox as selectors
from coder_admin.dashboard.views import inbox as views
from coder_admin.notifications import config
from coder_admin.notifications.kinds import TEST
from coder_admin.notifications.models import InboxNotification, NotificationMessage, NotificationPreference
from coder_admin.notifications.services import notify
from coder_admin.organizations.models import User
from coder_admin.workspaces.models import Workspace, WorkspaceBuild
from prebuilds.notices import FAILURE_LIMIT_REACHED
from tests.people import organization, subject
from tests.prebuilds import world as pools

from .test_pages import ClientOf
from .world import World

SETTINGS = "/settings/notifications"
LOG = "/deployment/notifications"


def text(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200
    return answer.content.decode()


def titles(client: Client, query: str) -> list[str]:
    answer = client.get(f"/inbox?{query}")
    return [item.row.title for item in answer.context["page"].items]


def test_the_inbox_is_narrowed_by_kind_template_and_read_state(here: World, client_of: ClientOf) -> None:
    InboxNotification.objects.create(user=here.owner, template_id=TEST.id, title="other", content="x")
    client = client_of(here.owner)
    assert len(titles(client, "")) == 4
    assert titles(client, f"kind={TEST.id}") == ["other"]
    assert len(titles(client, f"template={here.template.pk}")) == 3
    assert len(titles(client, f"template={here.template.pk}&read_status=read")) == 1
    assert len(titles(client, f"kind={FAILURE_LIMIT_REACHED.id}&read_status=unread")) == 2
    assert titles(client, f"template={uuid.uuid4()}") == []
    assert "No message matches" in text(client, f"/inbox?template={uuid.uuid4()}")
    for wrong, words in (
        ("kind=x", "kind: Choose one of the list."),
        (f"kind={uuid.uuid4()}", "kind: Choose one of the list."),
        ("template=1", "template: Choose one of the list."),
        ("read_status=maybe", "read_status: Use all, read or unread."),
    ):
        answer = client.get(f"/inbox?{wrong}")
        assert answer.status_code == 400
        assert words in answer.content.decode(), wrong


def offered(client: Client, query: str = "") -> dict[str, str]:
    """Labels of the templates that the filter offers, by id."""
    options = client.get(f"/inbox?{query}").context["templates"]
    return {option.value: option.label for option in options}


def about(user: User, *targets: object) -> InboxNotification:
    return InboxNotification.objects.create(
        user=user, template_id=TEST.id, title="x", content="x", targets=[str(target) for target in targets]
    )


def test_the_filter_offers_the_templates_that_ones_own_messages_are_about(
    here: World, client_of: ClientOf
) -> None:
    for number in range(selectors.MOST_TEMPLATES):
        pools.template(f"a{number:03}")
    told = pools.template("zebra", display_name="Zebra")
    gone = pools.template("gone", deleted=True)
    for template in (told, gone):
        about(here.owner, uuid.uuid4(), template.pk)
    assert offered(client_of(here.owner)) == {
        str(here.template.pk): "go-service",
        str(told.pk): "Zebra",
        str(gone.pk): "gone (deleted)",
    }
    assert titles(client_of(here.owner), f"template={gone.pk}") == ["x"]
    assert offered(client_of(here.member)) == {}, "nothing was told to them"
    about(here.stranger, told.pk)
    assert offered(client_of(here.stranger)) == {}, "what they may not see is not named"


def test_templates_of_one_name_are_told_apart_by_organization(here: World, client_of: ClientOf) -> None:
    other = Template.objects.create(
        organization=organization("elsewhere"), name="go-service", created_by=here.owner
    )
    about(here.owner, other.pk)
    assert set(offered(client_of(here.owner)).values()) == {"go-service, coder", "go-service, elsewhere"}


def test_the_filter_offers_the_newest_and_the_chosen_template(
    here: World, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selectors, "MOST_TEMPLATES", 2)
    first, *later = (pools.template(name) for name in ("one", "two", "three"))
    for template in (first, *later):
        about(here.owner, template.pk)
    assert set(offered(client_of(here.owner)).values()) == {"two", "three"}
    assert "one" in offered(client_of(here.owner), f"template={first.pk}").values()
    monkeypatch.setattr(selectors, "NEWEST", 1)
    assert set(offered(client_of(here.owner)).values()) == {"three"}


def test_the_templates_to_choose_take_the_same_queries_for_many(here: World) -> None:
    viewer = subject(here.owner)
    with CaptureQueriesContext(connection) as few:
        assert len(selectors.templates_to_choose(viewer)) == 1
    for number in range(5):
        about(here.owner, pools.template(f"t{number}").pk)
    with CaptureQueriesContext(connection) as many:
        assert len(selectors.templates_to_choose(viewer)) == 6
    assert len(many) == len(few)


def test_messages_link_to_what_they_are_about_if_the_reader_may_see_it(
    here: World, client_of: ClientOf
) -> None:
    shown = text(client_of(here.owner), "/inbox")
    assert f"/templates/coder/go-service/presets/{here.preset_id}" in shown
    assert 'href="/@mia/dev-1"' in shown
    InboxNotification.objects.update(user=here.stranger)
    hidden = text(client_of(here.stranger), "/inbox")
    assert str(here.preset_id) not in hidden
    assert "/@mia/dev-1" not in hidden


def test_messages_link_to_builds_and_versions(here: World, client_of: ClientOf) -> None:
    build = here.workspace.latest_build
    assert build is not None
    InboxNotification.objects.update(targets=[str(build.pk), str(here.version.pk), str(uuid.uuid4())])
    for person in (here.owner, here.member):
        InboxNotification.objects.update(user=person)
        shown = text(client_of(person), "/inbox")
        assert 'href="/@mia/dev-1/builds/1"' in shown
        assert "Build 1 of mia/dev-1" in shown
        assert 'href="/templates/coder/go-service/versions/v1"' in shown
    InboxNotification.objects.update(user=here.stranger)
    hidden = text(client_of(here.stranger), "/inbox")
    assert "/@mia/dev-1" not in hidden
    assert f"/templates/coder/go-service/versions/v1{chr(34)}" not in hidden
    # What is gone is not linked.
    InboxNotification.objects.update(user=here.owner)
    Workspace.objects.filter(pk=here.workspace.pk).update(deleted=True)
    Template.objects.filter(pk=here.template.pk).update(deleted=True)
    gone = text(client_of(here.owner), "/inbox")
    assert "/@mia/dev-1/builds" not in gone
    assert 'href="/templates/coder/go-service/versions' not in gone


def test_links_of_messages_take_the_same_queries_for_many(here: World) -> None:
    viewer = subject(here.owner)
    rows = list(InboxNotification.objects.filter(user=here.owner))
    builds = [str(pk) for pk in WorkspaceBuild.objects.values_list("pk", flat=True)]
    rows[0].targets = builds[:1]
    with CaptureQueriesContext(connection) as few:
        selectors.items(viewer, rows[:1])
    for row in rows:
        row.targets = [*builds, *row.targets, str(here.version.pk)]
    with CaptureQueriesContext(connection) as many:
        shown = selectors.items(viewer, rows)
    assert len(many) == len(few)
    assert all(item.concerns for item in shown)


def test_a_message_about_very_much_names_its_first_links(here: World, client_of: ClientOf) -> None:
    templates = [pools.template(f"t{number:02}") for number in range(selectors.MOST_CONCERNS + 3)]
    InboxNotification.objects.all().delete()
    about(here.owner, uuid.uuid4(), *(template.pk for template in templates))
    shown = text(client_of(here.owner), "/inbox")
    assert shown.count('class="inbox-concern"') == selectors.MOST_CONCERNS
    assert "and 3 more" in shown


def test_messages_are_marked_in_bulk(here: World, client_of: ClientOf) -> None:
    client = client_of(here.owner)
    mine = InboxNotification.objects.filter(user=here.owner)
    other = InboxNotification.objects.create(
        user=here.member, template_id=TEST.id, title="theirs", content="x"
    )
    ids = [str(pk) for pk in (*mine.values_list("pk", flat=True), other.pk)]
    answer = client.post("/inbox/mark", {"ids": ids, "is_read": "true", "next": "/inbox?read_status=unread"})
    assert answer["Location"] == "/inbox?read_status=unread"
    assert not mine.filter(read_at=None).exists()
    other.refresh_from_db()
    assert other.read_at is None, "somebody else's"
    client.post("/inbox/mark", {"ids": ids[:1], "is_read": "false"})
    assert mine.filter(read_at=None).count() == 1
    client.post("/inbox/mark", {"ids": ["x"]})
    assert "ids: must be a UUID" in text(client, "/inbox")
    client.post("/inbox/mark", {})
    assert "Choose messages first" in text(client, "/inbox")
    client.post("/inbox/mark", {"ids": [str(uuid.uuid4()) for _ in range(201)]})
    assert "Too many messages at once" in text(client, "/inbox")


def form(client: Client) -> dict[str, list[str]]:
    """What the preferences page would send as it is."""
    groups = client.get(SETTINGS).context["groups"]
    choices = [choice for rows in groups.values() for choice in rows]
    return {
        "kind": [str(choice.kind.id) for choice in choices],
        "wanted": [
            f"{choice.kind.id}:{method}"
            for choice in choices
            for method, _, wanted, possible in choice.methods
            if wanted and possible
        ],
    }


def test_preferences_are_kept_by_kind_and_method(here: World, client_of: ClientOf, settings: Any) -> None:
    settings.NOTIFICATIONS_WEBHOOK_ENDPOINT = "https://hooks.example.com/x"
    client = client_of(here.owner)
    sent = form(client)
    assert f"{TEST.id}:smtp" in sent["wanted"]
    assert f"{TEST.id}:webhook" not in sent["wanted"]
    client.post(f"{SETTINGS}/save", sent)
    assert not NotificationPreference.objects.exists(), "nothing differs from the defaults"
    sent["wanted"] = [word for word in sent["wanted"] if word != f"{TEST.id}:smtp"]
    sent["wanted"].append(f"{TEST.id}:webhook")
    client.post(f"{SETTINGS}/save", sent)
    rows = NotificationPreference.objects.values_list("notification_template_id", "method", "disabled")
    assert set(rows.all()) == {(TEST.id, "smtp", True), (TEST.id, "webhook", False)}
    assert form(client) == {**sent, "wanted": form(client)["wanted"]}
    assert f"{TEST.id}:webhook" in form(client)["wanted"]
    NotificationMessage.objects.all().delete()
    notify(TEST.id, [here.owner.pk], labels={}, created_by="tests")
    assert set(NotificationMessage.objects.values_list("method", flat=True)) == {"webhook", "inbox"}
    # Nothing at all is the kind switched off; back to the defaults leaves no row.
    sent["wanted"] = [word for word in sent["wanted"] if not word.startswith(str(TEST.id))]
    client.post(f"{SETTINGS}/save", sent)
    assert list(rows.all()) == [(TEST.id, "", True)]
    sent["wanted"] += [f"{TEST.id}:smtp", f"{TEST.id}:inbox"]
    client.post(f"{SETTINGS}/save", sent)
    assert not NotificationPreference.objects.exists()


def test_a_member_is_offered_what_a_member_can_get(here: World, client_of: ClientOf) -> None:
    page = text(client_of(here.member), SETTINGS)
    assert "Workspace Deleted" in page
    assert "Report: Workspace Builds Failed" not in page
    assert "User account created" not in page


@pytest.mark.parametrize("data", [{"kind": "x"}, {"wanted": "x"}, {"wanted": f"{TEST.id}:pigeon"}])
def test_bad_preferences_change_nothing(here: World, client_of: ClientOf, data: dict[str, str]) -> None:
    client = client_of(here.owner)
    client.post(f"{SETTINGS}/save", data)
    assert "The choice cannot be read" in text(client, SETTINGS)
    assert not NotificationPreference.objects.exists()


def test_the_log_gives_reasons_and_sends_again(here: World, client_of: ClientOf) -> None:
    client = client_of(here.owner)
    page = text(client, LOG)
    assert "550 no such user" in page
    failed = NotificationMessage.objects.get(status="permanent_failure")
    sent = NotificationMessage.objects.get(status="sent")
    retry = reverse("dashboard:delivery-retry", args=(failed.pk,))
    assert retry in page
    assert reverse("dashboard:delivery-retry", args=(sent.pk,)) not in page
    assert client_of(here.member).post(retry).status_code == 403
    client.post(retry)
    failed.refresh_from_db()
    assert (failed.status, failed.attempt_count, failed.status_reason) == ("pending", 0, "")
    assert AuditLog.objects.filter(additional_fields__message_id=str(failed.pk)).count() == 1
    client.post(reverse("dashboard:delivery-retry", args=(sent.pk,)))
    assert "nothing to try again" in text(client, LOG)
    assert client.post(reverse("dashboard:delivery-retry", args=(uuid.uuid4(),))).status_code == 404


def test_the_log_is_filtered(here: World, client_of: ClientOf) -> None:
    client = client_of(here.owner)

    def found(query: str) -> list[str]:
        return [row.status for row in client.get(f"{LOG}?filter={query}").context["page"].items]

    assert found("status:permanent_failure") == ["permanent_failure"]
    assert found("method:webhook") == ["temporary_failure"]
    assert len(found("kind:test")) == 4
    assert len(found("olive")) == 4
    assert found("nobody") == []
    for wrong in ("status:lost", "method:pigeon", "colour:red"):
        assert found(wrong) == []
        assert "there are" in text(client, f"{LOG}?filter={wrong}").lower()


def test_sending_is_paused_and_resumed(here: World, client_of: ClientOf) -> None:
    client = client_of(here.owner)
    client.post(f"{LOG}/pause", {"paused": "true"})
    assert config.is_paused()
    assert "Sending is paused" in text(client, LOG)
    assert "Sending is paused" in text(client, SETTINGS)
    client.post(f"{LOG}/pause", {"paused": "true"})
    assert "unchanged" in text(client, LOG)
    client.post(f"{LOG}/pause", {"paused": "false"})
    assert not config.is_paused()
    client.post(f"{LOG}/pause", {"paused": "perhaps"})
    assert "must be true or false" in text(client, LOG)
    assert client_of(here.member).post(f"{LOG}/pause", {"paused": "true"}).status_code == 403


def test_a_test_is_sent_to_oneself(here: World, client_of: ClientOf) -> None:
    NotificationMessage.objects.all().delete()
    client = client_of(here.owner)
    client.post(f"{LOG}/test")
    assert set(NotificationMessage.objects.values_list("user", flat=True)) == {here.owner.pk}
    assert "A test message is on its way" in text(client, LOG)
    NotificationPreference.objects.create(user=here.owner, notification_template_id=TEST.id, disabled=True)
    client.post(f"{LOG}/test")
    assert "not enabled" in text(client, LOG)
    assert client_of(here.member).post(f"{LOG}/test").status_code == 403


def test_the_method_of_a_kind_is_chosen(here: World, client_of: ClientOf) -> None:
    client = client_of(here.owner)
    url = reverse("dashboard:notification-method", args=(TEST.id,))
    client.post(url, {"method": "webhook"})
    assert config.method_overrides() == {TEST.id: "webhook"}
    client.post(url, {"method": "inbox"})
    assert "not a valid method" in text(client, LOG)
    client.post(url, {"method": ""})
    assert config.method_overrides() == {}
    assert client_of(here.member).post(url, {"method": "smtp"}).status_code == 403


def test_the_bell_loads_further_pages_by_key(here: World, client_of: ClientOf) -> None:
    client = client_of(here.stranger)
    for number in range(30):
        InboxNotification.objects.create(
            user=here.stranger, template_id=TEST.id, title=f"n{number}", content="x"
        )
    first = client.get("/inbox/latest")
    assert len(first.context["items"]) == 25
    assert first.context["more"]
    second = client.get(f"/inbox/latest?starting_before={first.context['items'][-1].pk}")
    assert len(second.context["items"]) == 5
    assert not second.context["more"]
    assert client.get("/inbox/latest?starting_before=x").status_code == 400
    assert client.get("/inbox/latest?until=x").status_code == 400
    client.post("/inbox/read", {"until": "x"}, headers={"HX-Request": "true"})
    assert "until: must be a UUID" in text(client, "/inbox")
    assert not InboxNotification.objects.filter(user=here.stranger, read_at__isnull=False).exists()
    assert len(client.get(f"/inbox/latest?until={uuid.uuid4()}").context["items"]) == 25


def oldest(answer: Any) -> str:
    return f"until={answer.context['items'][-1].pk}"


def test_what_the_bell_shows_stays_when_it_looks_again(here: World, client_of: ClientOf) -> None:
    client = client_of(here.stranger)
    sent = [
        InboxNotification.objects.create(
            user=here.stranger, template_id=TEST.id, title=f"n{number}", content="x"
        )
        for number in range(40)
    ]
    first = client.get("/inbox/latest")
    second = client.get(f"/inbox/latest?starting_before={first.context['items'][-1].pk}")
    InboxNotification.objects.create(user=here.stranger, template_id=TEST.id, title="new", content="x")
    assert len(client.get(f"/inbox/latest?{oldest(first)}").context["items"]) == 26
    everything = client.get(f"/inbox/latest?{oldest(second)}")
    assert len(everything.context["items"]) == 41
    assert not everything.context["more"]
    marked = client.post("/inbox/read", {"until": str(sent[0].pk)}, headers={"HX-Request": "true"})
    assert len(marked.context["items"]) == 41


@pytest.mark.parametrize("pages", [(50,), (50, 60), (50, 75)])
def test_the_bell_ends_with_the_way_to_the_inbox(
    here: World, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch, pages: tuple[int, ...]
) -> None:
    most = pages[-1]
    monkeypatch.setattr(views, "MOST_IN_POPOVER", most)
    client = client_of(here.stranger)
    for number in range(most + 1):
        InboxNotification.objects.create(
            user=here.stranger, template_id=TEST.id, title=f"n{number}", content="x"
        )
    answer, seen = client.get("/inbox/latest"), 25
    for expected in pages:
        assert answer.context["more"]
        assert not answer.context["older"]
        last = answer.context["items"][-1]
        answer = client.get(f"/inbox/latest?starting_before={last.pk}")
        seen += len(answer.context["items"])
        assert seen == expected
    again = client.get(f"/inbox/latest?{oldest(answer)}")
    assert len(again.context["items"]) == most
    for ended in (answer, again):
        assert not ended.context["more"]
        assert ended.context["older"]
        assert "Load more" not in ended.content.decode()
        assert 'href="/inbox">Older messages</a>' in ended.content.decode()
    # Even a page that asks for more by itself gets no more than the popover keeps.
    beyond = client.get(f"/inbox/latest?starting_before={answer.context['items'][-1].pk}")
    assert beyond.context["items"] == []
    assert beyond.context["older"]
    InboxNotification.objects.filter(user=here.stranger, title="n0").delete()
    assert not client.get(f"/inbox/latest?{oldest(answer)}").context["older"], "nothing is older"
