"""Logging in and out, for the API's token and the browser's session alike."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth import authenticate
from django.db import transaction
from django.utils import timezone

from coder_admin.audit.choices import AuditedAction, AuditedType
from coder_admin.audit.context import current
from coder_admin.audit.services import record
from coder_admin.foundation.errors import NotAuthenticated
from rbac.django import subject_for
from rbac.model import ANONYMOUS
from rbac.roles import OWNER

from ..choices import LoginType, UserStatus
from ..models import APIKey, BrowserSession, User
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
