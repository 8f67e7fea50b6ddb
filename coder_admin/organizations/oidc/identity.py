"""Who an identity provider's claims speak of, and whether they may come in. Pure but for `rules`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass

from django.conf import settings

from coder_admin.foundation.errors import Forbidden, Invalid

from ..idp.claims import ClaimError, Claims, list_claim
from ..names import DISPLAY_LENGTH, NAME_LENGTH, RESERVED, email_problem

_NAME_LENGTH = 2 * DISPLAY_LENGTH


@dataclass(frozen=True)
class Rules:
    """What the deployment demands of a login, and which claims it reads."""

    username_field: str = "preferred_username"
    name_field: str = "name"
    email_field: str = "email"
    email_domains: tuple[str, ...] = ()
    ignore_email_verified: bool = False
    group_field: str = ""
    allowed_groups: frozenset[str] = frozenset()


def rules() -> Rules:
    """The rules of this deployment's environment."""
    return Rules(
        username_field=settings.OIDC_USERNAME_FIELD,
        name_field=settings.OIDC_NAME_FIELD,
        email_field=settings.OIDC_EMAIL_FIELD,
        email_domains=tuple(settings.OIDC_EMAIL_DOMAIN),
        ignore_email_verified=settings.OIDC_IGNORE_EMAIL_VERIFIED,
        group_field=settings.OIDC_GROUP_FIELD,
        allowed_groups=frozenset(settings.OIDC_ALLOWED_GROUPS),
    )


@dataclass(frozen=True)
class Identity:
    """A person as the provider knows them. `email_verified` is true only when the provider says so."""

    issuer: str
    subject: str
    email: str
    email_verified: bool
    username: str
    name: str


def read_identity(claims: Claims, *, issuer: str, rules: Rules) -> Identity:
    """The identity in the claims. Invalid when a claim is missing or of a wrong type; Forbidden when the
    deployment does not want this person."""
    subject = _text(claims, "sub")
    if not subject or len(subject) > 255:
        raise Invalid('The identity provider sent no usable claim "sub".')
    email = _text(claims, rules.email_field).strip()
    if not email:
        raise Invalid(
            f'The identity provider sent no claim "{rules.email_field}".',
            detail="Its account needs an e-mail address, and the scope that shows it to this deployment.",
        )
    if problem := email_problem(email):
        raise Invalid(f'The claim "{rules.email_field}" {problem}.')
    verified = claims.get("email_verified")
    if verified is not None and not isinstance(verified, bool):
        raise Invalid('The claim "email_verified" must be true or false.')
    if verified is False and not rules.ignore_email_verified:
        raise Forbidden(
            f"The e-mail address {email} is not verified.", detail="Verify it at the identity provider."
        )
    _check_domain(email, rules.email_domains)
    check_groups(claims, rules)
    preferred = _text(claims, rules.username_field)
    return Identity(
        issuer=issuer,
        subject=subject,
        email=email,
        email_verified=verified is True or rules.ignore_email_verified,
        username=username_from(preferred.partition("@")[0] or email.partition("@")[0]),
        name=_printable(_text(claims, rules.name_field))[:_NAME_LENGTH].strip(),
    )


def _text(claims: Claims, field: str) -> str:
    value = claims.get(field, "")
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Invalid(f'The claim "{field}" of the identity provider must be a text.')
    return value


def _check_domain(email: str, domains: Collection[str]) -> None:
    wanted = {domain.lower().removeprefix("@") for domain in domains}
    if wanted and email.rpartition("@")[2].lower() not in wanted:
        raise Forbidden(
            f"The e-mail address {email} is not of a domain that may log in here.",
            detail=f"Allowed: {', '.join(sorted(wanted))}.",
        )


def check_groups(claims: Claims, rules: Rules) -> None:
    """Refuse who is in none of the groups that may log in."""
    if not rules.allowed_groups:
        return
    try:
        groups = list_claim(claims, rules.group_field)
    except ClaimError as error:
        raise Invalid("The groups of the identity provider cannot be read.", detail=str(error)) from error
    if not rules.allowed_groups.intersection(groups):
        raise Forbidden(
            "You are in none of the groups that may log in here.",
            detail="Ask an administrator of the identity provider to add you to one of them.",
        )


def username_from(text: str) -> str:
    """A valid username near `text`: accents dropped, other characters turned into single hyphens."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    name = re.sub(r"[^a-zA-Z0-9]+", "-", plain).strip("-")[:NAME_LENGTH].strip("-")
    return name if name and name.lower() not in RESERVED else "user"


def free_username(wanted: str, taken: Collection[str]) -> str:
    """`wanted`, or with the first number that makes it free. `taken` in lower case."""
    if wanted.lower() not in taken:
        return wanted
    for number in range(2, len(taken) + 3):
        candidate = f"{wanted[: NAME_LENGTH - len(str(number)) - 1].rstrip('-')}-{number}"
        if candidate.lower() not in taken:
            return candidate
    raise AssertionError("one of more candidates than taken names is free")


def _printable(text: str) -> str:
    return "".join(character for character in text if ord(character) >= 32)
