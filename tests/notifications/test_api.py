"""The inbox and the settings over HTTP (reference 1.4, 1.5)."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from coder_admin.audit.models import AuditLog
from coder_admin.notifications import config, recipients
from coder_admin.notifications.api import MOST_VALUES
from coder_admin.notifications.kinds import TEST, Kind
from coder_admin.notifications.models import InboxNotification, NotificationMessage, NotificationPreference
from coder_admin.organizations.models import User
from tests.people import client, default_organization, organization, owner, person

INBOX = "/api/v2/notifications/inbox"
NOBODYS = "00000000-0000-4000-8000-000000000000"


def message(user: User, *, age: int = 0, read: bool = False, **fields: Any) -> InboxNotification:
    return InboxNotification.objects.create(
        user=user,
        template_id=fields.pop("template_id", TEST.id),
        title="Title",
        content="Content",
        created_at=timezone.now() - timedelta(minutes=age),
        read_at=timezone.now() if read else None,
        **fields,
    )


def listed(user: User, query: str = "") -> list[str]:
    answer = client(user).get(f"{INBOX}{query}")
    assert answer.status_code == 200, answer.content
    return [n["id"] for n in answer.json()["notifications"]]


def test_lists_ones_own_newest_first_with_the_whole_count(user: User) -> None:
    old, new = message(user, age=5, read=True), message(user)
    message(person("bob"))
    answer = client(user).get(f"{INBOX}?read_status=read").json()
    assert [n["id"] for n in answer["notifications"]] == [str(old.id)]
    assert answer["unread_count"] == 1, "not filtered"
    assert listed(user) == [str(new.id), str(old.id)]
    assert listed(user, "?read_status=unread") == [str(new.id)]


def test_targets_are_all_templates_any(user: User, kind: Kind) -> None:
    a, b = uuid.uuid4(), uuid.uuid4()
    both = message(user, targets=[str(a), str(b)], template_id=kind.id)
    one = message(user, age=1, targets=[str(a)])
    assert listed(user, f"?targets={a}") == [str(both.id), str(one.id)]
    for query in (
        f"targets={a},{b}",
        f"targets={a}&targets={b}",
        f"targets={b}&targets={a}",
        f"targets={b},,{a},",
    ):
        assert listed(user, f"?{query}") == [str(both.id)], query
    for query in (f"templates={kind.id},{TEST.id}", f"templates={kind.id}&templates={TEST.id}"):
        assert listed(user, f"?{query}") == [str(both.id), str(one.id)], query
    assert listed(user, f"?templates={kind.id}") == [str(both.id)]
    assert listed(user, "?templates=&targets=&starting_before=&read_status=") == [str(both.id), str(one.id)]


def test_as_many_values_as_a_filter_takes(user: User) -> None:
    row = message(user)
    most = ",".join([str(TEST.id)] * MOST_VALUES)
    assert listed(user, f"?templates={most}") == [str(row.id)]


def test_pages_of_25_by_key(user: User) -> None:
    same = timezone.now()
    rows = [message(user) for _ in range(60)]
    InboxNotification.objects.update(created_at=same)  # ties must not lose or repeat a row
    first = listed(user)
    second = listed(user, f"?starting_before={first[-1]}")
    third = listed(user, f"?starting_before={second[-1]}")
    assert [len(first), len(second), len(third)] == [25, 25, 10]
    assert set(first + second + third) == {str(row.id) for row in rows}
    assert listed(user, f"?starting_before={uuid.uuid4()}") == first, "an unknown id is ignored"
    assert listed(user, "?starting_before=%20") == first, "blank is like absent"
    assert listed(user, f"?starting_before=%20{first[-1]}") == second


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("targets=x", "targets"),
        (f"targets=x&targets={NOBODYS}", "targets"),
        ("targets=" + ",".join([NOBODYS] * 2000), "targets"),
        ("&".join([f"templates={TEST.id}"] * 101), "templates"),
        (f"templates={NOBODYS}", "templates"),
        (f"templates={TEST.id},{NOBODYS}", "templates"),
        (f"templates={NOBODYS}&templates={TEST.id}", "templates"),
        ("read_status=read&read_status=unread", "read_status"),
        ("templates=1,2", "templates"),
        ("starting_before=x", "starting_before"),
        ("read_status=maybe", "read_status"),
        ("colour=red", "colour"),
    ],
)
def test_bad_queries_name_the_field(user: User, query: str, field: str) -> None:
    answer = client(user).get(f"{INBOX}?{query}")
    assert answer.status_code == 400
    assert answer.json()["message"] == "Query parameters have invalid values."
    assert [v["field"] for v in answer.json()["validations"]] == [field]


def test_a_bad_query_names_every_field_at_once(user: User) -> None:
    both = f"{uuid.uuid4()},{uuid.uuid4()}"
    answer = client(user).get(
        f"{INBOX}?targets=x&templates={uuid.uuid4()},y&read_status=READ&starting_before={both}&Targets=z"
    )
    assert answer.status_code == 400
    fields = ["Targets", "targets", "templates", "starting_before", "read_status"]
    assert [v["field"] for v in answer.json()["validations"]] == fields
    assert all(v["detail"] for v in answer.json()["validations"])


PREFERENCES = "/api/v2/users/me/notifications/preferences"


NO_BOOLEANS: tuple[object, ...] = ("yes", "on", "true", "", 1, 0, 1.0, None, [], {})


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (f"{INBOX}/x/read-status", {"is_read": True}, "id"),
        (f"{INBOX}/{NOBODYS}/read-status", {"is_read": "perhaps"}, "is_read"),
        ("/api/v2/notifications/templates/x/method", {"method": ""}, "id"),
        ("/api/v2/notifications/settings", {"notifier_paused": "x"}, "notifier_paused"),
        (PREFERENCES, {"template_disabled_map": {"x": True}}, "template_disabled_map"),
        (PREFERENCES, {"template_disabled_map": {NOBODYS: True}}, "template_disabled_map"),
        (PREFERENCES, {"template_disabled_map": {f"{NOBODYS[:-1]}\x00": True}}, "template_disabled_map"),
        (PREFERENCES, {"template_disabled_map": {str(TEST.id): "x"}}, f"template_disabled_map.{TEST.id}"),
        *[
            case
            for no_boolean in NO_BOOLEANS
            for case in (
                ("/api/v2/notifications/settings", {"notifier_paused": no_boolean}, "notifier_paused"),
                (f"{INBOX}/{NOBODYS}/read-status", {"is_read": no_boolean}, "is_read"),
                (
                    PREFERENCES,
                    {"template_disabled_map": {str(TEST.id): no_boolean}},
                    f"template_disabled_map.{TEST.id}",
                ),
                (
                    f"{PREFERENCES}/methods",
                    {"method_disabled_map": {str(TEST.id): {"smtp": no_boolean}}},
                    f"method_disabled_map.{TEST.id}.smtp",
                ),
            )
        ],
        (f"{PREFERENCES}/methods", {"method_disabled_map": {"x": {"smtp": True}}}, "method_disabled_map"),
        (f"{PREFERENCES}/methods", {"method_disabled_map": {NOBODYS: {"smtp": True}}}, "method_disabled_map"),
    ],
)
def test_a_bad_write_names_the_field_and_changes_nothing(
    db: None, path: str, body: dict[str, Any], field: str
) -> None:
    answer = client(owner()).put(path, body)
    assert answer.status_code == 400
    assert answer.json()["message"]
    assert [v["field"] for v in answer.json()["validations"]] == [field]
    assert not NotificationPreference.objects.exists()
    assert not config.is_paused()


def test_reading_can_be_taken_back(user: User) -> None:
    row = message(user)
    http = client(user)
    path = f"{INBOX}/{row.id}/read-status"
    answer = http.put(path, {"is_read": True})
    assert answer.status_code == 200
    assert answer.json()["unread_count"] == 0
    assert answer.json()["notification"]["read_at"] is not None
    assert http.put(path, {"is_read": False}).json()["unread_count"] == 1


def test_reading_anothers_message_is_404(user: User) -> None:
    row = message(person("bob"))
    http = client(user)
    assert http.put(f"{INBOX}/{row.id}/read-status", {"is_read": True}).status_code == 404
    assert http.put(f"{INBOX}/{uuid.uuid4()}/read-status", {"is_read": True}).status_code == 404
    assert http.put(f"{INBOX}/x/read-status", {"is_read": True}).status_code == 400
    assert http.put(f"{INBOX}/{row.id}/read-status", {}).status_code == 400
    # Not even an owner, whose role may read every inbox, marks somebody else's.
    assert client(owner()).put(f"{INBOX}/{row.id}/read-status", {"is_read": True}).status_code == 404


def test_mark_all(user: User) -> None:
    message(user)
    message(user, age=1)
    other = message(person("bob"))
    assert client(user).put(f"{INBOX}/mark-all-as-read").status_code == 204
    assert not InboxNotification.objects.filter(user=user, read_at__isnull=True).exists()
    other.refresh_from_db()
    assert other.read_at is None


def test_nobody_gets_401(db: None) -> None:
    assert client().get(INBOX).status_code == 401


def test_list_costs_the_same_however_long(
    user: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    http = client(user)
    message(user)
    http.get(INBOX)
    with django_assert_num_queries(5) as few:
        http.get(INBOX)
    for age in range(24):
        message(user, age=age)
    with django_assert_num_queries(len(few.captured_queries)):
        assert len(http.get(INBOX).json()["notifications"]) == 25


def test_settings_pause_and_resume(user: User) -> None:
    boss = owner()
    path = "/api/v2/notifications/settings"
    assert client(user).get(path).json() == {"notifier_paused": False}
    assert client(user).put(path, {"notifier_paused": True}).status_code == 403
    assert client(boss).put(path, {"notifier_paused": True}).json() == {"notifier_paused": True}
    assert config.is_paused()
    assert client(boss).put(path, {"notifier_paused": True}).status_code == 304
    assert client(boss).put(path, {"notifier_paused": "x"}).status_code == 400
    rows = AuditLog.objects.filter(resource_type="notifications_settings", status_code=200)
    assert [row.diff["notifier_paused"]["new"] for row in rows] == [True]


def test_a_test_message_needs_the_right(user: User) -> None:
    boss = owner()
    assert client(user).post("/api/v2/notifications/test").status_code == 403
    assert client(boss).post("/api/v2/notifications/test").status_code == 204
    assert client(boss).post("/api/v2/notifications/test").status_code == 204
    assert set(NotificationMessage.objects.values_list("user_id", flat=True)) == {boss.id}
    assert NotificationMessage.objects.filter(method="inbox").count() == 2


def test_kinds_and_methods_are_listed(user: User) -> None:
    found = client(user).get("/api/v2/notifications/templates/system").json()
    test = next(kind for kind in found if kind["id"] == str(TEST.id))
    assert (test["name"], test["group"], test["enabled_by_default"]) == (
        "Test Notification",
        "Notification Events",
        True,
    )
    assert client(user).get("/api/v2/notifications/dispatch-methods").json() == {
        "available": ["smtp"],
        "default": "smtp",
    }


def test_preferences(user: User) -> None:
    http = client(user)
    path = "/api/v2/users/me/notifications/preferences"
    assert http.get(path).json() == []
    answer = http.put(path, {"template_disabled_map": {str(TEST.id): True}})
    assert answer.status_code == 200
    assert [(p["id"], p["disabled"]) for p in answer.json()] == [(str(TEST.id), True)]
    http.put(path, {"template_disabled_map": {str(TEST.id): False}})
    assert [p["disabled"] for p in http.get(path).json()] == [False]
    bad = http.put(path, {"template_disabled_map": {"x": True, str(uuid.uuid4()): True}})
    assert bad.status_code == 400
    assert len(bad.json()["validations"]) == 2


def test_preferences_of_others_are_theirs(user: User) -> None:
    other = person("bob")
    answer = client(user).get(f"/api/v2/users/{other.username}/notifications/preferences")
    assert answer.status_code in (400, 404)


def test_three_notions_of_template_admins(db: None) -> None:
    elsewhere = organization("elsewhere")
    boss = owner("boss")
    here = person("here", roles=["template-admin"])
    away = person("away", roles=["template-admin"], memberships={elsewhere: []})
    person("member", memberships={default_organization(): ["organization-template-admin"]})
    User.objects.filter(pk=person("sleeping", roles=["template-admin"]).pk).update(status="suspended")
    assert recipients.site_template_admins() == [away.id, here.id]
    assert recipients.organization_template_admins(default_organization().id) == [here.id]
    assert recipients.owners_and_template_admins(but_not=[here.id]) == [away.id, boss.id]


def test_the_method_of_a_kind(user: User, settings: Any) -> None:
    boss = client(owner())
    path = f"/api/v2/notifications/templates/{TEST.id}/method"
    assert client(user).put(path, {"method": "smtp"}).status_code == 403
    answer = boss.put(path, {"method": "webhook"})
    assert (answer.status_code, answer.json()["method"]) == (200, "webhook")
    assert boss.put(path, {"method": "webhook"}).status_code == 304
    listed = boss.get("/api/v2/notifications/templates/system").json()
    assert next(kind["method"] for kind in listed if kind["id"] == str(TEST.id)) == "webhook"
    for wrong in ("inbox", "pigeon"):
        refused = boss.put(path, {"method": wrong})
        assert refused.status_code == 400
        assert [v["field"] for v in refused.json()["validations"]] == ["method"]
    assert boss.put(path, {}).status_code == 400
    assert boss.put(path.replace(str(TEST.id), "x"), {"method": ""}).status_code == 400
    assert boss.put(path.replace(str(TEST.id), str(uuid.uuid4())), {"method": ""}).status_code == 404
    assert boss.put(path, {"method": ""}).json()["method"] == ""
    assert AuditLog.objects.filter(resource_type="notification_template").count() == 2


def test_preferences_by_method(user: User) -> None:
    http = client(user)
    path = "/api/v2/users/me/notifications/preferences/methods"
    assert http.get(path).json() == []
    answer = http.put(path, {"method_disabled_map": {str(TEST.id): {"smtp": True, "inbox": False}}})
    assert answer.status_code == 200
    assert [(p["id"], p["method"], p["disabled"]) for p in answer.json()] == [
        (str(TEST.id), "inbox", False),
        (str(TEST.id), "smtp", True),
    ]
    # The choice about the kind itself is another list, and untouched.
    assert http.get("/api/v2/users/me/notifications/preferences").json() == []
    bad = http.put(path, {"method_disabled_map": {"x": {"smtp": True}, str(TEST.id): {"pigeon": True}}})
    assert bad.status_code == 400
    assert len(bad.json()["validations"]) == 2
    assert http.put(path, {"method_disabled_map": {str(TEST.id): True}}).status_code == 400


def test_available_methods_are_those_that_are_configured(user: User, settings: Any) -> None:
    http = client(user)
    path = "/api/v2/notifications/dispatch-methods"
    settings.NOTIFICATIONS_WEBHOOK_ENDPOINT = "https://hooks.example.com/x"
    assert http.get(path).json() == {"available": ["smtp", "webhook"], "default": "smtp"}
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = "django.core.mail.backends.smtp.EmailBackend", ""
    assert http.get(path).json() == {"available": ["webhook"], "default": "smtp"}


def test_without_template_admins_owners_stand_in(db: None) -> None:
    boss = owner()
    assert recipients.or_owners(recipients.site_template_admins()) == [boss.id]
    zoe = person("zoe", roles=["template-admin"])
    assert recipients.or_owners(recipients.site_template_admins()) == [zoe.id]
