"""A login that an identity provider vouches for: who it is, a new account if need be, then the sync.

Everything is one transaction: a refusal, or claims that cannot be read, leave nothing behind but the audit
row of the failed attempt.
"""

from __future__ import annotations

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from coder_admin.foundation.errors import Conflict, Forbidden, Invalid, NotAuthenticated, ServiceError
from rbac.model import ANONYMOUS, Subject
from rbac.subjects import SystemSubject, acting_as

from ..choices import LoginType, UserStatus
from ..idp.apply import record_failed_login, sync_user
from ..idp.claims import ClaimError, Claims
from ..models import User, UserLink
from ..services.sessions import note_login
from ..services.users import user_create
from .identity import Identity, free_username, read_identity, rules


def oidc_login(claims: Claims, *, issuer: str) -> User:
    """The user of these claims, in line with them. A refusal is audited and raised as ServiceError."""
    try:
        return _login(claims, issuer)
    except ServiceError as error:
        target = claims.get(settings.OIDC_EMAIL_FIELD)
        record_failed_login(
            ANONYMOUS,
            target=target if isinstance(target, str) else "",
            reason=str(error),
            status_code=error.status,
        )
        raise


@transaction.atomic
def _login(claims: Claims, issuer: str) -> User:
    identity = read_identity(claims, issuer=issuer, rules=rules())
    with acting_as(
        SystemSubject.SYSTEM_RESTRICTED, reason="the identity provider vouches for who logs in"
    ) as actor:
        user, is_new = _find_or_create(actor, identity)
        if user.status == UserStatus.SUSPENDED:
            raise NotAuthenticated(
                "Your account is suspended.", detail="Ask an administrator to activate it again."
            )
        _store_link(user, identity, claims)
        try:
            sync_user(actor, user=user, claims=claims, is_new=is_new)
        except ClaimError as error:
            raise Invalid(
                "You cannot be logged in until the identity provider's claims are corrected.",
                detail=str(error),
            ) from error
    user.refresh_from_db()
    note_login(user)
    return user


def _find_or_create(actor: Subject, identity: Identity) -> tuple[User, bool]:
    """By the link; else by the e-mail address of an account that was made for this kind of login and that
    nobody uses yet; else a new account."""
    link = (
        UserLink.objects.select_related("user")
        .filter(issuer=identity.issuer, subject=identity.subject, user__deleted=False)
        .first()
    )
    if link is not None:
        if link.user.login_type != LoginType.OIDC:
            raise _wrong_type(link.user)
        return link.user, False
    known = User.objects.people().filter(email__iexact=identity.email).first()
    if known is not None:
        return _adopted(known, identity), False
    if not settings.OIDC_ALLOW_SIGNUPS:
        raise Forbidden(
            "There is no account for you here, and new ones are not made by logging in.",
            detail="Ask an administrator to create one with your e-mail address.",
        )
    return _created(actor, identity), True


def _adopted(user: User, identity: Identity) -> User:
    if user.login_type != LoginType.OIDC:
        raise _wrong_type(user)
    if UserLink.objects.filter(user=user, issuer=identity.issuer).exists():
        raise Forbidden(
            f"The account of {identity.email} belongs to another account of the identity provider.",
            detail="Ask an administrator to delete or rename the old one.",
        )
    if not identity.email_verified:
        raise Forbidden(
            f"The e-mail address {identity.email} is not verified.",
            detail="Verify it at the identity provider, so that the account of that address can be yours.",
        )
    return user


def _wrong_type(user: User) -> Forbidden:
    return Forbidden(
        f"The account of {user.email} does not log in with the identity provider.",
        detail=f'Its login type is "{user.login_type}". Ask an administrator if that shall change.',
    )


def _created(actor: Subject, identity: Identity) -> User:
    stem = identity.username
    taken = User.objects.live().filter(username__istartswith=stem[:20]).values_list("username", flat=True)
    username = free_username(stem, {name.lower() for name in taken})
    try:
        return user_create(
            actor,
            username=username,
            email=identity.email,
            password=None,
            name=identity.name,
            login_type=LoginType.OIDC,
            registered=True,
        )
    except Conflict as error:
        raise Conflict("Another login took the same name at this moment.", detail="Log in again.") from error


def _store_link(user: User, identity: Identity, claims: Claims) -> None:
    # A deleted account's link would keep its subject from ever logging in again.
    UserLink.objects.filter(issuer=identity.issuer, subject=identity.subject).exclude(user=user).delete()
    UserLink.objects.update_or_create(
        user=user,
        defaults={
            "issuer": identity.issuer,
            "subject": identity.subject,
            "claims": dict(claims),
            "last_login_at": timezone.now(),
        },
    )
