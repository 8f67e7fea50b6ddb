"""Users: made, renamed, suspended, deleted, given site roles and passwords."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from coder_admin.audit.choices import AuditedAction, AuditedType
from coder_admin.audit.context import current
from coder_admin.audit.diffs import Diff, Tracked
from coder_admin.audit.services import record
from coder_admin.foundation.errors import Conflict, ExpectationFailed, Forbidden, Invalid, Validation
from rbac.django import may, require
from rbac.model import Action, RbacObject, ResourceType, Subject
from rbac.roles import MEMBER, OWNER, may_hand_out

from ..access_news import access_changed, users_changed
from ..announcements import AccountEvent, account_changed
from ..choices import LoginType, UserStatus
from ..dependents import user_dependents
from ..idp.store import site_role_sync
from ..models import APIKey, BrowserSession, Organization, User
from ..names import display_problem, email_problem, refuse_problems, slug_problem
from ..owners import is_last_owner
from ..throttle import Attempt
from .members import member_add
from .roles import check_hand_out, checked_roles

THEMES = ("auto", "light", "dark")

_TRACKED = Tracked(
    track=("username", "name", "email", "status", "rbac_roles", "login_type", "deleted"), secret=("password",)
)


@transaction.atomic
def user_create(
    actor: Subject,
    *,
    username: str,
    email: str,
    password: str | None,
    name: str = "",
    organizations: Sequence[Organization] = (),
    roles: Iterable[str] = (),
    login_type: str = LoginType.PASSWORD,
    status: str = UserStatus.ACTIVE,
    registered: bool = False,
) -> User:
    """A new user, member of `organizations`. `password` is None for login types without one; `registered`
    says that the person came by their own login instead of being made by somebody."""
    if not may(actor, Action.CREATE, RbacObject(ResourceType.USER)):
        raise Forbidden("You may not create users.")
    check_hand_out(actor, added=[MEMBER])
    _check_names(username, email, name)
    if login_type == LoginType.PASSWORD:
        check_password_rules(password or "", User(username=username, email=email, name=name))
    elif password:
        raise Invalid(f'Login type "{login_type}" takes no password.', validations=[_NO_PASSWORD])
    names = checked_roles(actor, before=(), after=roles)
    _refuse_taken(username, email)
    try:
        with transaction.atomic():
            user = User.objects.create_user(
                username, email, password, name=name, rbac_roles=names, login_type=login_type, status=status
            )
    except IntegrityError as error:
        raise Conflict("A user of that name or e-mail was made at the same moment.") from error
    action = AuditedAction.REGISTER if registered else AuditedAction.CREATE
    _audit(actor, action, user, _TRACKED.changes(None, _TRACKED.snapshot(user)))
    for organization in organizations:
        member_add(actor, organization=organization, user=user)
    account_changed(AccountEvent.CREATED, user, actor)
    return user


_ANNOUNCED = {
    UserStatus.SUSPENDED: AccountEvent.SUSPENDED,
    UserStatus.ACTIVE: AccountEvent.ACTIVATED,
}
_NO_PASSWORD = Validation("password", "Leave it out: this login type has no password.")


@transaction.atomic
def user_delete(actor: Subject, *, user: User) -> None:
    """Soft delete: the row stays for history, name and e-mail are free, tokens end at once.

    ExpectationFailed while the user still owns something (workspaces).
    """
    require(actor, Action.DELETE, user)
    _refuse_system(user)
    if str(user.id) == actor.id:
        raise Invalid("You cannot delete your own account.")
    if is_last_owner(user):
        raise Invalid("You cannot delete the last owner.", detail="Give somebody else the role owner first.")
    owned = user_dependents(user.id)
    if owned:
        parts = ", ".join(f"{count} {plural}" for plural, count in sorted(owned.items()))
        raise ExpectationFailed(
            f"{user.username} still owns {parts}.", detail="Delete or hand over those first, then the user."
        )
    before = _TRACKED.snapshot(user)
    user.deleted = True
    user.save(update_fields=["deleted", "updated_at"])
    APIKey.objects.filter(user=user).delete()
    BrowserSession.objects.filter(user=user).delete()
    access_changed([user.pk])
    account_changed(AccountEvent.DELETED, user, actor)
    _audit(actor, AuditedAction.DELETE, user, _TRACKED.changes(before, _TRACKED.snapshot(user)))


@transaction.atomic
def user_status_set(actor: Subject, *, user: User, status: UserStatus) -> User:
    """Suspend or activate. A suspended user's sessions and tokens answer 401 from the next request on."""
    require(actor, Action.UPDATE, user)
    _refuse_system(user)
    if status == UserStatus.SUSPENDED:
        if str(user.id) == actor.id:
            raise Invalid("You cannot suspend yourself.")
        if OWNER in user.rbac_roles:
            raise Invalid(
                "You cannot suspend a user with the owner role.", detail="Take the role away first."
            )
    before = _TRACKED.snapshot(user)
    user.status = status
    user.save(update_fields=["status", "updated_at"])
    access_changed([user.pk])
    if status != before["status"] and status in _ANNOUNCED:
        account_changed(_ANNOUNCED[status], user, actor)
    _audit_change(actor, user, before)
    return user


@transaction.atomic
def user_profile_update(actor: Subject, *, user: User, username: str, name: str) -> User:
    """Rename a user."""
    require(actor, Action.UPDATE_PERSONAL, user)
    _refuse_system(user)
    refuse_problems((("username", slug_problem(username)), ("name", display_problem(name, maximum=128))))
    _refuse_taken(username, "", except_id=user.id)
    before = _TRACKED.snapshot(user)
    user.username, user.name = username, name
    try:
        with transaction.atomic():
            user.save(update_fields=["username", "name", "updated_at"])
    except IntegrityError as error:
        raise _taken("username") from error
    _audit_change(actor, user, before)
    return user


@transaction.atomic
def user_appearance_set(actor: Subject, *, user: User, theme: str) -> User:
    """How the pages look to this user; no fact that anybody audits."""
    require(actor, Action.UPDATE_PERSONAL, user)
    refuse_problems((("theme_preference", "" if theme in THEMES else f"must be one of {', '.join(THEMES)}"),))
    user.theme_preference = "" if theme == "auto" else theme
    user.save(update_fields=["theme_preference", "updated_at"])
    return user


@transaction.atomic
def user_password_set(actor: Subject, *, user: User, password: str, old_password: str = "") -> None:
    """A new password; every login of the user ends. One's own needs the old one, of which only so many may
    be tried. Somebody else's is refused to who could not hand out the roles that come with it."""
    require(actor, Action.UPDATE_PERSONAL, user)
    _refuse_system(user)
    if user.login_type != LoginType.PASSWORD:
        raise Invalid("This user does not log in with a password.")
    if str(user.id) == actor.id:
        _check_old_password(user, old_password)
    else:
        _refuse_climbing(actor, user)
    check_password_rules(password, user)
    if user.check_password(password):
        raise Invalid(
            "The new password is the old one.",
            validations=[Validation("password", "Choose a password that differs from the old one.")],
        )
    before = _TRACKED.snapshot(user)
    user.set_password(password)
    user.save(update_fields=["password", "updated_at"])
    APIKey.objects.filter(user=user, login_type=LoginType.PASSWORD).delete()
    access_changed([user.pk])
    _audit_change(actor, user, before)


@transaction.atomic
def user_roles_set(actor: Subject, *, user: User, roles: Iterable[str]) -> User:
    """Give the user exactly these site roles. Nobody changes their own, nor those that the identity provider
    decides."""
    if str(user.id) == actor.id:
        raise Invalid("You cannot change your own roles.")
    require(actor, Action.READ, user)
    _refuse_system(user)
    if user.login_type == LoginType.OIDC and site_role_sync().field:
        raise Invalid(
            f"The site roles of {user.username} follow the identity provider.",
            detail="Change them there; they are brought in line at the next login.",
        )
    return user_roles_store(actor, user=user, roles=roles)


@transaction.atomic
def user_roles_store(actor: Subject, *, user: User, roles: Iterable[str]) -> User:
    """The site roles with their audit row; by hand through `user_roles_set`, by sync directly."""
    row: User = User.objects.select_for_update().get(pk=user.pk)
    before = _TRACKED.snapshot(row)
    row.rbac_roles = checked_roles(actor, before=row.rbac_roles, after=roles)
    row.save(update_fields=["rbac_roles", "updated_at"])
    access_changed([row.pk])
    _audit_change(actor, row, before)
    return row


def _check_old_password(user: User, old_password: str) -> None:
    """A session left open must not be a way to guess the password."""
    attempt = Attempt(account=f"password of {user.id}", address=current().ip or "")
    attempt.refuse_if_too_many()
    if not user.check_password(old_password):
        attempt.failed()
        raise Invalid(
            "The old password is not right.",
            validations=[Validation("old_password", "Old password is incorrect.")],
        )
    attempt.succeeded()


def _refuse_climbing(actor: Subject, user: User) -> None:
    """Who sets a password can log in with it: that must not be a way to roles one could not give oneself."""
    held = [(name, "") for name in user.rbac_roles]
    for organization_id, names in user.memberships.values_list("organization_id", "roles"):
        held += [(name, str(organization_id)) for name in names]
    if not all(may_hand_out(actor.roles, name, org) for name, org in held):
        raise Forbidden(
            f"You may not set the password of {user.username}.",
            detail="They hold roles that you cannot hand out; an owner may set it.",
        )


def check_password_rules(password: str, user: User) -> None:
    """The deployment's password rules, as one Invalid with every rule that is broken."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Invalid(
            "The password is too weak.",
            validations=[Validation("password", message) for message in error.messages],
        ) from error


def _check_names(username: str, email: str, name: str) -> None:
    refuse_problems(
        (
            ("username", slug_problem(username)),
            ("email", email_problem(email)),
            ("name", display_problem(name, maximum=128)),
        )
    )


def _refuse_taken(username: str, email: str, *, except_id: object = None) -> None:
    others = User.objects.live().exclude(pk=except_id)
    if others.filter(username__iexact=username).exists():
        raise _taken("username")
    if email and others.filter(email__iexact=email).exists():
        raise _taken("email")


def _taken(field: str) -> Conflict:
    return Conflict(
        f"A user with this {field} exists already.",
        validations=[Validation(field, "This value is already in use and should be unique.")],
    )


def _refuse_system(user: User) -> None:
    if user.is_system:
        raise Invalid(f'"{user.username}" is a system user and cannot be changed.')


def _audit_change(actor: Subject, user: User, before: dict[str, object]) -> None:
    diff = _TRACKED.changes(before, _TRACKED.snapshot(user))
    if diff:
        _audit(actor, AuditedAction.WRITE, user, diff)


def _audit(actor: Subject, action: AuditedAction, user: User, diff: Diff) -> None:
    """The entry of the trail, and word to open pages: every change comes by here."""
    record(
        actor=actor,
        action=action,
        resource_type=AuditedType.USER,
        resource_id=user.id,
        resource_target=user.username,
        diff=diff,
    )
    users_changed()
