"""API tokens: made (shown once), used, deleted."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from coder_admin.audit.choices import AuditedAction, AuditedType
from coder_admin.audit.context import current
from coder_admin.audit.diffs import Tracked
from coder_admin.audit.services import record
from coder_admin.foundation.errors import Conflict, Forbidden, Invalid, Validation
from rbac.django import may, require
from rbac.model import SCOPES, Action, RbacObject, ResourceType, Subject

from ..access_news import access_changed
from ..choices import LoginType
from ..models import APIKey, User
from ..names import refuse_problems, slug_problem
from ..tokens import hash_secret, new_token, parse_token, secret_matches

SESSION_LIFETIME = timedelta(hours=24)
DEFAULT_TOKEN_LIFETIME = timedelta(days=30)
MAXIMUM_TOKEN_LIFETIME = timedelta(days=365)
_TOUCH_EVERY = timedelta(minutes=1)
"""`last_used` is written at most this often, so that reading the API does not mean writing the database."""
_EXTEND_EVERY = timedelta(hours=1)

_TRACKED = Tracked(
    track=("id", "token_name", "login_type", "scope", "lifetime_seconds", "expires_at"),
    secret=("hashed_secret",),
)


def token_create(
    actor: Subject,
    *,
    user: User,
    name: str = "",
    lifetime: timedelta | None = None,
    scope: str = "all",
    now: datetime | None = None,
) -> tuple[APIKey, str]:
    """A long-lived token of `user` for programs; the text is shown this once. Without a name it gets its
    id as one. Lifetime: 30 days unless given, a year at most."""
    lifetime = DEFAULT_TOKEN_LIFETIME if lifetime is None else lifetime
    problems = [("token_name", slug_problem(name, maximum=64) if name else "")]
    if not timedelta(minutes=1) <= lifetime <= MAXIMUM_TOKEN_LIFETIME:
        problems.append(("lifetime", "must be between one minute and 365 days"))
    if scope not in SCOPES:
        problems.append(("scope", f"must be one of {', '.join(SCOPES)}"))
    refuse_problems(problems)
    return api_key_create(
        actor, user=user, name=name, lifetime=lifetime, scope=scope, login_type=LoginType.TOKEN, now=now
    )


@transaction.atomic
def api_key_create(
    actor: Subject,
    *,
    user: User,
    name: str = "",
    lifetime: timedelta = SESSION_LIFETIME,
    scope: str = "all",
    login_type: str = LoginType.PASSWORD,
    now: datetime | None = None,
) -> tuple[APIKey, str]:
    """A key of any login type: `(row, text)`. A session's key has the login type of the login."""
    if not may(actor, Action.CREATE, RbacObject(ResourceType.API_KEY, owner=str(user.id))):
        raise Forbidden("You may not make tokens for this user.")
    if user.is_system:
        raise Invalid("A system user has no tokens.")
    now = now or timezone.now()
    token = new_token()
    if login_type == LoginType.TOKEN:
        name = name or token.id
    try:
        with transaction.atomic():
            key = APIKey.objects.create(
                id=token.id,
                user=user,
                hashed_secret=hash_secret(token.secret),
                token_name=name,
                login_type=login_type,
                scope=scope,
                lifetime_seconds=int(lifetime.total_seconds()),
                expires_at=now + lifetime,
                ip_address=current().ip,
                created_at=now,
            )
    except IntegrityError as error:
        raise Conflict(
            f'A token with name "{name}" already exists.',
            validations=[Validation("token_name", "This value is already in use and should be unique.")],
        ) from error
    if login_type == LoginType.TOKEN:  # a login is audited as such
        diff = _TRACKED.changes(None, _TRACKED.snapshot(key))
        record(
            actor=actor,
            action=AuditedAction.CREATE,
            resource_type=AuditedType.API_KEY,
            resource_id=key.id,
            resource_target=name,
            diff=diff,
        )
    return key, str(token)


@transaction.atomic
def api_key_delete(actor: Subject, *, key: APIKey) -> None:
    """End a key at once."""
    require(actor, Action.DELETE, key)
    record(
        actor=actor,
        action=AuditedAction.DELETE,
        resource_type=AuditedType.API_KEY,
        resource_id=key.id,
        resource_target=key.token_name or key.id,
        diff=_TRACKED.changes(_TRACKED.snapshot(key), None),
    )
    key.delete()
    access_changed([key.user_id])


def authenticate_token(text: str, *, now: datetime | None = None) -> APIKey | None:
    """The live key of a token text, with its user, or None: not a token, unknown, wrong secret, expired, or
    the user may not log in. Notes the use; a session's key in use moves its end onwards."""
    token = parse_token(text)
    if token is None:
        return None
    now = now or timezone.now()
    key = APIKey.objects.select_related("user").filter(id=token.id, expires_at__gt=now).first()
    if key is None or not secret_matches(token.secret, key.hashed_secret) or not key.user.is_active:
        return None
    _note_use(key, now)
    return key


def _note_use(key: APIKey, now: datetime) -> None:
    changes: dict[str, datetime] = {}
    if key.last_used is None or now - key.last_used >= _TOUCH_EVERY:
        changes["last_used"] = now
    renewed = now + timedelta(seconds=key.lifetime_seconds)
    if key.login_type != LoginType.TOKEN and renewed - key.expires_at >= _EXTEND_EVERY:
        changes["expires_at"] = renewed
    if changes:
        APIKey.objects.filter(pk=key.pk).update(**changes)
        for field, value in changes.items():
            setattr(key, field, value)
