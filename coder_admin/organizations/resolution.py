"""The one way by which requests find the organization, user or members that they name (section 3.4).

`me` is the calling user's row (None when there is none). Texts are a UUID or a name.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from coder_admin.foundation.errors import Invalid, NotFound
from rbac.django import may
from rbac.model import NIL_ID, Action, Subject

from .models import Organization, OrganizationMember, User


def as_uuid(text: str) -> UUID | None:
    """The UUID a text spells, or None."""
    try:
        return UUID(text)
    except ValueError:
        return None


def resolve_organization(viewer: Subject, text: str) -> Organization:
    """`default` or the nil UUID, an id (deleted ones too), or a name of a live one. NotFound for what does
    not exist or may not be read; Invalid only for an empty text."""
    if not text:
        raise Invalid('"organization" must be provided.')
    rows = Organization.objects.all()
    id_ = as_uuid(text)
    if text == "default" or str(id_) == NIL_ID:
        found = rows.filter(is_default=True).first()
    elif id_ is not None:
        found = rows.filter(id=id_).first()
    else:
        found = rows.live().filter(name__iexact=text).first()
    if found is None or not may(viewer, Action.READ, found):
        raise NotFound
    return found


def resolve_user(viewer: Subject, text: str, *, me: User | None) -> User:
    """`me`, an id or a username. One and the same 400 for garbage, unknown and not readable."""
    if not text:
        raise Invalid('"user" must be provided.')
    if text == "me":
        if me is None:
            raise Invalid('"me" needs a session of a user.')
        if me.deleted:
            raise NotFound
        return me
    user = _user_row(text)
    if user is None or not may(viewer, Action.READ, user):
        raise Invalid('"user" must be an existing uuid or username.')
    return user


def resolve_member(
    viewer: Subject, organization: Organization, text: str, *, me: User | None
) -> OrganizationMember:
    """The membership of the named user, read as `viewer`: the right to read the *user* is not needed.
    System users are found too. NotFound otherwise."""
    user = _named_user(text, me)
    member = (
        OrganizationMember.objects.select_related("user", "organization")
        .filter(organization=organization, user=user)
        .first()
        if user is not None
        else None
    )
    if member is None or not may(viewer, Action.READ, member):
        raise NotFound
    return member


@dataclass(frozen=True)
class ResolvedMembers:
    """A user as far as the viewer may know them: the row (with the site-wide right to read it), and the
    memberships that the viewer sees."""

    user_id: UUID
    user: User | None
    memberships: tuple[OrganizationMember, ...]


def resolve_members(viewer: Subject, text: str, *, me: User | None) -> ResolvedMembers:
    """All memberships of the named user that `viewer` sees, over all organizations.

    Who may read the user gets the user even with no membership at all (a site admin with no organization);
    for anybody else none visible is NotFound, so that existence does not leak.
    """
    user = _named_user(text, me)
    if user is None:
        raise NotFound
    memberships = tuple(
        OrganizationMember.objects.select_related("user", "organization")
        .filter(user=user, organization__deleted=False)
        .visible_to(viewer)
        .order_by("created_at")
    )
    readable = may(viewer, Action.READ, user)
    if not readable and not memberships:
        raise NotFound
    return ResolvedMembers(user_id=user.id, user=user if readable else None, memberships=memberships)


def _named_user(text: str, me: User | None) -> User | None:
    if not text:
        raise Invalid('"user" must be provided.')
    if text == "me":
        if me is None:
            raise Invalid('"me" needs a session of a user.')
        return me
    return _user_row(text)


def _user_row(text: str) -> User | None:
    rows = User.objects.live()
    id_ = as_uuid(text)
    found: User | None = rows.filter(
        **({"id": id_} if id_ is not None else {"username__iexact": text})
    ).first()
    return found
