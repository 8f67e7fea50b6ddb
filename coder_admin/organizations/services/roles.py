"""Who may give and take which role (reference section 2.2)."""

from __future__ import annotations

from collections.abc import Iterable

from coder_admin.foundation.errors import Forbidden, Invalid, Validation
from rbac.django import may
from rbac.model import Action, RbacObject, ResourceType, Subject
from rbac.roles import IMPLIED_ROLES, ORG_ROLES, SITE_ROLES, may_hand_out, parse_role_identifier

from ..models import CustomRole, Organization


def checked_roles(
    actor: Subject, *, before: Iterable[str], after: Iterable[str], organization: Organization | None = None
) -> list[str]:
    """The new list of role names, in the order given, after both checks on what is added and removed.

    Names may be written as identifiers, `name` or `name:<organization id>`. Unchanged roles need no right;
    implied roles are left out, since everybody has them. Without `organization` these are site roles.
    Raises Invalid (malformed, of another kind or organization, no such role) or Forbidden.
    """
    old = set(before) - IMPLIED_ROLES
    named = dict.fromkeys(plain_role_name(text, organization) for text in after)
    new = [name for name in named if name not in IMPLIED_ROLES]
    refuse_unknown_roles(set(new) - old, organization)
    check_hand_out(actor, added=set(new) - old, removed=old - set(new), organization=organization)
    return new


def plain_role_name(text: str, organization: Organization | None) -> str:
    """The name of an identifier text. Invalid when malformed, when a role of an organization stands among
    site roles, or when it is one of another organization."""
    try:
        name, org = parse_role_identifier(text)
    except ValueError as error:
        raise Invalid(str(error), validations=[Validation("roles", str(error))]) from error
    if org and organization is None:
        problem = f'"{text}" is a role of an organization and cannot be given together with site roles.'
    elif org and organization is not None and org.lower() != str(organization.id):
        problem = f'"{text}" is a role of another organization than {organization.name}.'
    else:
        return name
    raise Invalid(
        problem,
        detail="All roles of one request must be site roles, or roles of the one organization it names.",
        validations=[Validation("roles", problem)],
    )


def refuse_unknown_roles(names: Iterable[str], organization: Organization | None) -> None:
    """Raise Invalid for a name that is neither a built-in role of the kind nor a custom role there."""
    known = set(SITE_ROLES if organization is None else ORG_ROLES)
    unknown = [name for name in sorted(names) if name not in known]
    if unknown and organization is not None:
        custom = CustomRole.objects.filter(organization=organization, name__in=unknown)
        unknown = sorted(set(unknown) - set(custom.values_list("name", flat=True)))
    if unknown:
        kind = "site" if organization is None else "organization"
        raise Invalid(
            f'"{unknown[0]}" is not a supported role',
            detail=f"Choose among the {kind}'s roles: {', '.join(sorted(known - IMPLIED_ROLES))}.",
            validations=[Validation("roles", f'"{name}" is not a supported role') for name in unknown],
        )


def check_hand_out(
    actor: Subject,
    *,
    added: Iterable[str] = (),
    removed: Iterable[str] = (),
    organization: Organization | None = None,
) -> None:
    """Both checks: the right to assign or unassign, then the assignable map."""
    org = str(organization.id) if organization is not None else ""
    type_ = ResourceType.ASSIGN_ORG_ROLE if org else ResourceType.ASSIGN_ROLE
    for names, action in ((sorted(added), Action.ASSIGN), (sorted(removed), Action.UNASSIGN)):
        if names and not may(actor, action, RbacObject(type_, org=org)):
            raise Forbidden(f'You may not {action} the role "{names[0]}".', detail=_WHO)
        for name in names:
            if not may_hand_out(actor.roles, name, org):
                raise Forbidden(f'You are not authorized to {action} the role "{name}".', detail=_WHO)


_WHO = "An owner may change every role, an organization admin the roles of the organization."
