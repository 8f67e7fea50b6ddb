"""Role identifiers, the assignable map (section 2.2), and system subjects (section 2.4)."""

import pytest

from rbac import PREBUILDS_USER_ID, Action, RbacObject, ResourceType, SystemSubject, acting_as, allowed
from rbac.model import LEGAL_ACTIONS
from rbac.roles import (
    DISPLAY_NAMES,
    ORG_ROLES,
    SITE_ROLES,
    UnknownRole,
    may_hand_out,
    org_role,
    parse_role_identifier,
    role_by_identifier,
    site_role,
)
from rbac.subjects import acting_as_sub_agent_api

ORG, OTHER = "org-1", "org-2"


@pytest.mark.parametrize("text", ["", ":", "a:", ":x", "a:b:c", "owner:x:y"])
def test_malformed_role_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write it as name"):
        parse_role_identifier(text)


@pytest.mark.parametrize("text", ["organization-admin", "owner:org-1", "nope", "nope:org-1"])
def test_role_of_the_wrong_kind_does_not_resolve(text: str) -> None:
    with pytest.raises(UnknownRole, match="is not a supported role"):
        role_by_identifier(text)


def test_identifiers_round_trip() -> None:
    for name in SITE_ROLES:
        assert role_by_identifier(name).identifier == name
    for name in ORG_ROLES:
        assert role_by_identifier(f"{name}:{ORG}").identifier == f"{name}:{ORG}"


def test_only_the_implied_organization_member_has_no_display_name() -> None:
    assert [name for name, shown in DISPLAY_NAMES.items() if not shown] == ["organization-member"]


_OWNER_GIVES = {*SITE_ROLES, "custom"} | {f"{r}:{ORG}" for r in ORG_ROLES} | {f"custom:{ORG}"}
_ORG_ADMIN_GIVES = {f"{r}:{ORG}" for r in ORG_ROLES} | {f"custom:{ORG}"}
ASSIGNABLE = {
    "owner": _OWNER_GIVES,
    "user-admin": {"member", f"organization-member:{ORG}"},
    "auditor": set(),
    "template-admin": set(),
    "member": set(),
    f"organization-admin:{ORG}": _ORG_ADMIN_GIVES,
    f"organization-user-admin:{ORG}": {f"organization-member:{ORG}"},
    f"organization-admin:{OTHER}": set(),
    f"organization-user-admin:{OTHER}": set(),
    f"organization-member:{ORG}": set(),
    f"organization-auditor:{ORG}": set(),
    f"organization-template-admin:{ORG}": set(),
    f"organization-workspace-creation-ban:{ORG}": set(),
}


@pytest.mark.parametrize("actor", list(ASSIGNABLE))
def test_assignable_map(actor: str) -> None:
    held = [role_by_identifier(actor)]
    given = {text for text in _OWNER_GIVES if may_hand_out(held, *text.split(":"))}
    assert given == ASSIGNABLE[actor]


def test_system_subject_hands_out_as_owner_does() -> None:
    with acting_as(SystemSubject.PREBUILDS_ORCHESTRATOR, reason="test") as actor:
        assert may_hand_out(actor.roles, "organization-member", ORG)


SYSTEM_GRANTS = {
    SystemSubject.PREBUILDS_ORCHESTRATOR: {
        "template": "read update use view_insights",
        "workspace": "create delete read update start stop",
        "prebuilt_workspace": "update delete",
        "organization_member": "read create",
        "assign_org_role": "assign",
        "user": "read",
        "organization": "read",
        "file": "read",
        "group": "read create update",
        "group_member": "read",
    },
    SystemSubject.FILE_READER: {"file": "read"},
    SystemSubject.NOTIFIER: {
        "notification_message": "create read update delete",
        "inbox_notification": "create",
        "webpush_subscription": "create read delete",
        "deployment_config": "read update",
    },
    SystemSubject.PROVISIONERD: {
        "provisioner_jobs": "read update create",
        "file": "create read",
        "system": "create read update delete",
        "template": "read update",
        "user": "read read_personal update_personal",
        "workspace_dormant": "delete read update stop",
        "workspace": "delete read update start stop create_agent",
        "api_key": "create read update delete",
        "organization": "read",
        "group": "read",
        "notification_message": "create read",
        "workspace_agent_resource_monitor": "create",
        "workspace_agent_devcontainers": "create",
        "usage_event": "create",
    },
    SystemSubject.AUTOSTART: {
        "organization_member": "read",
        "file": "read",
        "notification_message": "create read",
        "system": "create read update delete",
        "template": "read update",
        "user": "read",
        "workspace": "delete read update start stop",
        "workspace_dormant": "delete read update stop",
    },
    SystemSubject.JOB_REAPER: {
        "system": "create read update delete",
        "template": "read",
        "workspace": "read update",
        "provisioner_jobs": "read update",
    },
    SystemSubject.KEY_ROTATOR: {"crypto_key": "create read update delete"},
    SystemSubject.KEY_READER: {"crypto_key": "create read update delete"},
    SystemSubject.CONNECTION_LOGGER: {"connection_log": "update read"},
    SystemSubject.RESOURCE_MONITOR: {"workspace_agent_resource_monitor": "update"},
    SystemSubject.PROVISIONER_DAEMON_READER: {"provisioner_daemon": "read"},
    SystemSubject.USAGE_PUBLISHER: {"license": "read", "usage_event": "read update"},
}


@pytest.mark.parametrize("who", list(SYSTEM_GRANTS))
def test_system_subject_holds_exactly_its_grants(who: SystemSubject) -> None:
    with acting_as(who, reason="test of the grants") as actor:
        for type_, actions in LEGAL_ACTIONS.items():
            held = {str(a) for a in actions if allowed(actor, a, RbacObject(type_, id="x", org=ORG))}
            assert held == set(SYSTEM_GRANTS[who].get(type_, "").split()), type_
        assert actor.is_system
        assert actor.reason == "test of the grants"


def test_system_restricted_reads_everything_and_writes_only_its_list() -> None:
    with acting_as(SystemSubject.SYSTEM_RESTRICTED, reason="test") as actor:
        for type_, actions in LEGAL_ACTIONS.items():
            if Action.READ in actions:
                assert allowed(actor, Action.READ, RbacObject(type_))
        assert allowed(actor, Action.CREATE, RbacObject(ResourceType.ORGANIZATION))
        assert not allowed(actor, Action.DELETE, RbacObject(ResourceType.ORGANIZATION))
        assert not allowed(actor, Action.CREATE, RbacObject(ResourceType.WORKSPACE, org=ORG))
        assert not allowed(actor, Action.UPDATE, RbacObject(ResourceType.TEMPLATE, org=ORG))


def test_orchestrator_has_the_prebuilds_users_id() -> None:
    with acting_as(SystemSubject.PREBUILDS_ORCHESTRATOR, reason="test") as actor:
        assert actor.id == PREBUILDS_USER_ID == "c42fdf75-3097-471c-8c33-fb52454d81c0"


@pytest.mark.parametrize("reason", ["", "  "])
def test_acting_without_a_reason_is_refused(reason: str) -> None:
    with pytest.raises(ValueError, match="needs a reason"), acting_as(SystemSubject.NOTIFIER, reason=reason):
        pass


def test_sub_agent_subject_reaches_only_its_users_workspaces_in_that_organization() -> None:
    with acting_as_sub_agent_api("u", ORG, reason="test") as actor:
        mine = RbacObject(ResourceType.WORKSPACE, id="w", org=ORG, owner="u")
        assert allowed(actor, Action.CREATE_AGENT, mine)
        assert not allowed(actor, Action.START, mine)
        assert not allowed(actor, Action.READ, RbacObject(ResourceType.WORKSPACE, org=OTHER, owner="u"))
        assert not allowed(actor, Action.READ, RbacObject(ResourceType.WORKSPACE, org=ORG, owner="v"))


def test_unknown_names_raise() -> None:
    with pytest.raises(UnknownRole):
        site_role("organization-admin")
    with pytest.raises(UnknownRole):
        org_role("owner", ORG)
    with pytest.raises(UnknownRole):
        org_role("organization-admin", "")
