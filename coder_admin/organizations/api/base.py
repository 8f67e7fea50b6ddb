"""What the views of this room share: the things an address names."""

from __future__ import annotations

from rbac.rest import ApiView

from ..models import Organization, OrganizationMember, User
from ..resolution import resolve_member, resolve_organization, resolve_user


class IdentityView(ApiView):
    """Finds the organization, user or member that the address names, as the caller may see them."""

    @property
    def me(self) -> User | None:
        """The calling user's row."""
        user = self.request.user
        return user if user.is_authenticated else None

    def organization(self, text: str) -> Organization:
        return resolve_organization(self.actor, text)

    def user(self, text: str) -> User:
        return resolve_user(self.actor, text, me=self.me)

    def member(self, organization: str, user: str) -> OrganizationMember:
        return resolve_member(self.actor, self.organization(organization), user, me=self.me)
