"""Messages about accounts. They live here because the room of accounts lies below this one: it announces
what happened, and this module tells people."""

from __future__ import annotations

import uuid

from coder_admin.organizations.announcements import AccountEvent
from coder_admin.organizations.models import User
from rbac.model import Subject

from .enqueue import notify
from .kinds import ActionTemplate, Group, Icon, Kind, register
from .recipients import OWNER, USER_ADMIN, owners_and_user_admins

_VIEW_ACCOUNTS = ActionTemplate("View accounts", "{{ base_url }}/people")


def _about(event: AccountEvent, id_: str, consequence: str) -> Kind:
    name = f"labels.{event}_account_name"
    return Kind(
        id=uuid.UUID(id_),
        name=f"User account {event}",
        title_template=f'User account "{{{{ {name} }}}}" {event}',
        body_template=(
            f"The account **{{{{ {name} }}}}** ({{{{ labels.{event}_account_user_name }}}}) was {event} by "
            f"**{{{{ labels.initiator }}}}**. {consequence}"
        ),
        actions=(_VIEW_ACCOUNTS,),
        group=Group.USER,
        icon=Icon.ACCOUNT,
        summary=f"Sent to owners and user admins when somebody's account was {event}.",
        audience=(OWNER, USER_ADMIN),
    )


def _to_oneself(event: AccountEvent, id_: str, consequence: str) -> Kind:
    return Kind(
        id=uuid.UUID(id_),
        name=f"Your account {event}",
        title_template=f"Your account was {event}",
        body_template=(
            f"Your account **{{{{ labels.{event}_account_name }}}}** was {event} by "
            f"**{{{{ labels.initiator }}}}**. {consequence}"
        ),
        group=Group.USER,
        icon=Icon.ACCOUNT,
        summary=f"Sent to you when your account was {event}.",
    )


ABOUT = {
    AccountEvent.CREATED: _about(
        AccountEvent.CREATED, "4e19c0ac-94e1-4532-9515-d1801aa283b2", "It can be used from now on."
    ),
    AccountEvent.DELETED: _about(
        AccountEvent.DELETED, "f44d9314-ad03-4bc8-95d0-5cad491da6b6", "Its sessions and tokens have ended."
    ),
    AccountEvent.SUSPENDED: _about(
        AccountEvent.SUSPENDED,
        "b02ddd82-4733-4d02-a2d7-c36f3598997d",
        "Nobody can sign in with it until it is activated again.",
    ),
    AccountEvent.ACTIVATED: _about(
        AccountEvent.ACTIVATED, "9f5af851-8408-4e73-a7a1-c6502ba46689", "Its owner can sign in again."
    ),
}
TO_ONESELF = {
    AccountEvent.SUSPENDED: _to_oneself(
        AccountEvent.SUSPENDED,
        "6a2f0609-9b69-4d36-a989-9f5925b6cbff",
        "You cannot sign in until an administrator activates it again.",
    ),
    AccountEvent.ACTIVATED: _to_oneself(
        AccountEvent.ACTIVATED, "1a6a6bea-ee0a-43e2-9e7c-eabdb53730e4", "You can sign in again."
    ),
}


def register_kinds() -> None:
    """Make the messages known."""
    for kind in (*ABOUT.values(), *TO_ONESELF.values()):
        register(kind)


def account_changed(event: AccountEvent, user: User, actor: Subject) -> None:
    """Tell owners and user admins, and whoever's account it is where it still concerns them."""
    labels = {
        f"{event}_account_name": user.username,
        f"{event}_account_user_name": user.name or user.username,
        "initiator": actor.username or "the system",
    }
    others = [user_id for user_id in owners_and_user_admins() if user_id != user.id]
    created_by = f"api-users-{event}"
    notify(ABOUT[event].id, others, labels=labels, targets=[user.id], created_by=created_by)
    if event in TO_ONESELF:
        notify(TO_ONESELF[event].id, [user.id], labels=labels, targets=[user.id], created_by=created_by)
