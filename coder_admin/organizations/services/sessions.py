"""Logging in and out, for the API's token and the browser's session alike."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth import authenticate
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from coder_admin.audit.choices import AuditedAction, AuditedType
from coder_admin.audit.context import current
from coder_admin.audit.services import record
from coder_admin.foundation.errors import NotAuthenticated, NotFound
from rbac.django import require, subject_for
from rbac.model import ANONYMOUS, Action, RbacObject, ResourceType, Subject
from rbac.roles import OWNER

from ..access_news import access_changed
from ..choices import LoginType, UserStatus
from ..models import APIKey, BrowserSession, User
from ..resolution import as_uuid
from ..throttle import Attempt
from .api_keys import api_key_create


def check_login(*, login: str, password: str) -> User:
    """The user of that username or e-mail and password. NotAuthenticated with one text for every reason but
    suspension (told only to who knows the password); TooManyRequests after repeated failures.

    The page uses it before Django's `login`; the API through `login` below. Both are audited.
    """
    attempt = Attempt(account=login, address=current().ip or "")
    attempt.refuse_if_too_many()
    user = authenticate(None, username=login, password=password)
    if isinstance(user, User):
        attempt.succeeded()
        _refuse_without_password(user)
        note_login(user)
        return user
    attempt.failed()
    suspended = _suspended_user(login, password)
    _audit_failure(login)
    if suspended is not None:
        raise NotAuthenticated(
            "Your account is suspended.", detail="Ask an administrator to activate it again."
        )
    raise NotAuthenticated("Incorrect email or password.")


def login(*, login: str, password: str) -> tuple[APIKey, str]:
    """Log a program in: a session key of 24 hours, prolonged while it is used, and its text."""
    user = check_login(login=login, password=password)
    return api_key_create(subject_for(user), user=user, login_type=LoginType.PASSWORD)


@transaction.atomic
def logout(*, user: User, key: APIKey | None = None) -> None:
    """End a login: the session key it came with, if it was one."""
    if key is not None and key.login_type != LoginType.TOKEN:
        key.delete()
        access_changed([user.pk])
    record(
        actor=subject_for(user),
        action=AuditedAction.LOGOUT,
        resource_type=AuditedType.API_KEY,
        resource_id=key.id if key is not None else "",
        resource_target=user.username,
    )


@transaction.atomic
def note_login(user: User) -> None:
    """Keep when, and let who was dormant be active again; audited."""
    user.last_seen_at = timezone.now()
    if user.status == UserStatus.DORMANT:
        user.status = UserStatus.ACTIVE
    user.save(update_fields=["last_seen_at", "status"])
    BrowserSession.objects.filter(expire_date__lt=user.last_seen_at).delete()
    record(
        actor=subject_for(user),
        action=AuditedAction.LOGIN,
        resource_type=AuditedType.API_KEY,
        resource_target=user.username,
        status_code=201,
    )


def _refuse_without_password(user: User) -> None:
    """Owners keep their password where it is switched off: a broken provider must not lock everybody out."""
    switched_off = settings.DISABLE_PASSWORD_AUTH and OWNER not in user.rbac_roles
    if user.login_type != LoginType.PASSWORD or switched_off:
        _audit_failure(user.username)
        raise NotAuthenticated(
            "This account does not log in with a password.", detail="Log in with the identity provider."
        )


def _suspended_user(login: str, password: str) -> User | None:
    try:
        user = User.objects.get_by_natural_key(login)
    except User.DoesNotExist:
        return None
    if user.status == UserStatus.SUSPENDED and not user.is_system and user.check_password(password):
        return user
    return None


def _audit_failure(login: str) -> None:
    """A failed attempt names the account it was made for only when there is one, so that a password typed
    into the wrong field never lands in the trail."""
    try:
        target = User.objects.get_by_natural_key(login).username
    except User.DoesNotExist:
        target = ""
    record(
        actor=ANONYMOUS,
        action=AuditedAction.LOGIN,
        resource_type=AuditedType.API_KEY,
        resource_target=target,
        status_code=401,
    )


@transaction.atomic
def session_end(actor: Subject, *, user: User, session_id: str) -> None:
    """End one login of `user` at once: a browser's session or a program's session key, by its id."""
    require(actor, Action.DELETE, RbacObject(ResourceType.API_KEY, id=session_id, owner=str(user.id)))
    browsers, keys = _logins(user)
    as_id = as_uuid(session_id)
    gone = browsers.filter(public_id=as_id).delete()[0] if as_id else keys.filter(id=session_id).delete()[0]
    if not gone:
        raise NotFound
    _ended(actor, user, session_id, gone)


@transaction.atomic
def sessions_end_others(actor: Subject, *, user: User, current: str = "") -> int:
    """End every login of `user` but the one with the id `current`; returns how many there were."""
    require(actor, Action.DELETE, RbacObject(ResourceType.API_KEY, owner=str(user.id)))
    browsers, keys = _logins(user)
    as_id = as_uuid(current)
    gone = (browsers.exclude(public_id=as_id) if as_id else browsers).delete()[0]
    gone += keys.exclude(id=current).delete()[0]
    if gone:
        _ended(actor, user, "", gone)
    return gone


def _logins(user: User) -> tuple[QuerySet[BrowserSession], QuerySet[APIKey]]:
    keys = APIKey.objects.filter(user=user).exclude(login_type=LoginType.TOKEN)
    return BrowserSession.objects.filter(user=user), keys


def _ended(actor: Subject, user: User, session_id: str, count: int) -> None:
    access_changed([user.pk])
    record(
        actor=actor,
        action=AuditedAction.LOGOUT,
        resource_type=AuditedType.API_KEY,
        resource_id=session_id,
        resource_target=user.username,
        additional_fields={"sessions_ended": count},
    )
