"""The JSON of this room: what comes in, what goes out (field names are Coder's)."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from coder_admin.foundation.fields import JsonBoolean
from rbac.roles import DISPLAY_NAMES

from ..choices import LoginType, UserStatus
from ..models import APIKey, CustomRole, Group, Organization, OrganizationMember, User

# --- roles ------------------------------------------------------------------------------------------------


class SlimRole(serializers.Serializer[Any]):
    name = serializers.CharField()
    display_name = serializers.CharField()
    organization_id = serializers.CharField(required=False)


class PermissionIn(serializers.Serializer[Any]):
    negate = JsonBoolean(required=False, default=False)
    resource_type = serializers.CharField(max_length=64)
    action = serializers.CharField(max_length=64)


def permissions(**options: Any) -> PermissionIn:
    """A list of permissions, as roles hold them."""
    return PermissionIn(many=True, **options)


class AssignableRoleOut(SlimRole):
    assignable = serializers.BooleanField()
    built_in = serializers.BooleanField()
    site_permissions = permissions()
    organization_permissions = permissions()
    user_permissions = permissions()


class CustomRoleIn(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=200, allow_blank=True)
    display_name = serializers.CharField(max_length=400, required=False, allow_blank=True)
    site_permissions = permissions(required=False, allow_null=True, max_length=500)
    organization_permissions = permissions(required=False, max_length=500)
    user_permissions = permissions(required=False, allow_null=True, max_length=500)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """A null list is an empty one, as Go clients send it."""
        return {key: value if value is not None else [] for key, value in attrs.items()}


class CustomRoleOut(serializers.ModelSerializer[CustomRole]):
    class Meta:
        model = CustomRole
        fields = (
            "name",
            "display_name",
            "organization_id",
            "site_permissions",
            "organization_permissions",
            "user_permissions",
        )


class SessionOut(serializers.Serializer[Any]):
    """A login that can be ended: a browser's, or a program's session key."""

    id = serializers.CharField()
    kind = serializers.ChoiceField(choices=["browser", "key"])
    ip_address = serializers.CharField(allow_null=True)
    user_agent = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()
    last_seen_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField()
    current = serializers.BooleanField()


class RolesIn(serializers.Serializer[Any]):
    roles = serializers.ListField(
        child=serializers.CharField(max_length=128, allow_blank=True), max_length=100
    )


def slim_roles(names: list[str], organization_id: str = "") -> list[dict[str, str]]:
    """The stored names as roles; a custom role is shown by its name."""
    where = {"organization_id": organization_id} if organization_id else {}
    return [{"name": name, "display_name": DISPLAY_NAMES.get(name, name), **where} for name in names]


# --- users ------------------------------------------------------------------------------------------------


class UserOut(serializers.ModelSerializer[User]):
    """A user as the API shows it; `organization_ids` are those of live organizations."""

    organization_ids = serializers.SerializerMethodField()
    roles = serializers.SerializerMethodField()

    class Meta:
        model = User
        fields = (
            "id",
            "username",
            "name",
            "email",
            "avatar_url",
            "created_at",
            "updated_at",
            "last_seen_at",
            "status",
            "login_type",
            "theme_preference",
            "organization_ids",
            "roles",
        )

    @extend_schema_field(serializers.ListField(child=serializers.UUIDField()))
    def get_organization_ids(self, user: User) -> list[str]:
        memberships = getattr(user, "live_memberships", None)
        if memberships is None:
            memberships = user.memberships.filter(organization__deleted=False).order_by("created_at")
        return [str(membership.organization_id) for membership in memberships]

    @extend_schema_field(SlimRole(many=True))
    def get_roles(self, user: User) -> list[dict[str, str]]:
        return slim_roles(user.rbac_roles)


class ReducedUserOut(serializers.ModelSerializer[User]):
    class Meta:
        model = User
        fields = ("id", "username", "name", "email", "avatar_url", "status", "created_at", "last_seen_at")


class UserPage(serializers.Serializer[Any]):
    users = UserOut(many=True)
    count = serializers.IntegerField()


class UserIn(serializers.Serializer[Any]):
    username = serializers.CharField(max_length=200)
    email = serializers.CharField(max_length=400)
    name = serializers.CharField(max_length=400, required=False, allow_blank=True, default="")
    password = serializers.CharField(max_length=1000, required=False, allow_blank=True, trim_whitespace=False)
    login_type = serializers.ChoiceField(
        choices=LoginType.choices, required=False, default=LoginType.PASSWORD
    )
    user_status = serializers.ChoiceField(
        choices=[UserStatus.ACTIVE, UserStatus.DORMANT], required=False, default=UserStatus.ACTIVE
    )
    organization_ids = serializers.ListField(child=serializers.UUIDField(), required=False, max_length=100)


class FirstUserIn(serializers.Serializer[Any]):
    username = serializers.CharField(max_length=200)
    email = serializers.CharField(max_length=400)
    name = serializers.CharField(max_length=400, required=False, allow_blank=True, default="")
    password = serializers.CharField(max_length=1000, trim_whitespace=False)


class FirstUserOut(serializers.Serializer[Any]):
    user_id = serializers.UUIDField()
    organization_id = serializers.UUIDField()


class ProfileIn(serializers.Serializer[Any]):
    username = serializers.CharField(max_length=200)
    name = serializers.CharField(max_length=400, required=False, allow_blank=True)


class AppearanceIn(serializers.Serializer[Any]):
    theme_preference = serializers.CharField(max_length=16, help_text="auto, light or dark")


class PasswordIn(serializers.Serializer[Any]):
    old_password = serializers.CharField(
        max_length=1000, required=False, allow_blank=True, trim_whitespace=False, default=""
    )
    password = serializers.CharField(max_length=1000, trim_whitespace=False)


# --- logins and tokens ------------------------------------------------------------------------------------


class LoginIn(serializers.Serializer[Any]):
    email = serializers.CharField(max_length=400, help_text="The e-mail address or the username.")
    password = serializers.CharField(max_length=1000, trim_whitespace=False)


class SessionTokenOut(serializers.Serializer[Any]):
    session_token = serializers.CharField()


class KeyOut(serializers.Serializer[Any]):
    key = serializers.CharField(help_text="The token in clear; it is never shown again.")


class TokenIn(serializers.Serializer[Any]):
    lifetime = serializers.IntegerField(
        required=False, min_value=0, max_value=2**63 - 1, help_text="Nanoseconds; 0 means the default."
    )
    scope = serializers.CharField(max_length=32, required=False, default="all")
    token_name = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")


class APIKeyOut(serializers.ModelSerializer[APIKey]):
    username = serializers.CharField(source="user.username")

    class Meta:
        model = APIKey
        fields = (
            "id",
            "user_id",
            "username",
            "token_name",
            "login_type",
            "scope",
            "lifetime_seconds",
            "last_used",
            "expires_at",
            "created_at",
            "updated_at",
        )


# --- organizations, members -------------------------------------------------------------------------------


class OrganizationOut(serializers.ModelSerializer[Organization]):
    class Meta:
        model = Organization
        fields = (
            "id",
            "name",
            "display_name",
            "description",
            "icon",
            "created_at",
            "updated_at",
            "is_default",
        )


class OrganizationIn(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=200)
    display_name = serializers.CharField(max_length=400, required=False, allow_blank=True)
    description = serializers.CharField(max_length=4000, required=False, allow_blank=True)
    icon = serializers.CharField(max_length=400, required=False, allow_blank=True)


class OrganizationPatch(OrganizationIn):
    name = serializers.CharField(max_length=200, required=False)


class MemberOut(serializers.ModelSerializer[OrganizationMember]):
    username = serializers.CharField(source="user.username")
    name = serializers.CharField(source="user.name")
    email = serializers.CharField(source="user.email")
    avatar_url = serializers.CharField(source="user.avatar_url")
    roles = serializers.SerializerMethodField()
    global_roles = serializers.SerializerMethodField()

    class Meta:
        model = OrganizationMember
        fields = (
            "user_id",
            "organization_id",
            "created_at",
            "updated_at",
            "username",
            "name",
            "email",
            "avatar_url",
            "roles",
            "global_roles",
        )

    @extend_schema_field(SlimRole(many=True))
    def get_roles(self, member: OrganizationMember) -> list[dict[str, str]]:
        return slim_roles(member.roles, str(member.organization_id))

    @extend_schema_field(SlimRole(many=True))
    def get_global_roles(self, member: OrganizationMember) -> list[dict[str, str]]:
        return slim_roles(member.user.rbac_roles)


class MemberPage(serializers.Serializer[Any]):
    members = MemberOut(many=True)
    count = serializers.IntegerField()


# --- groups -----------------------------------------------------------------------------------------------


class GroupOut(serializers.ModelSerializer[Group]):
    organization_name = serializers.CharField(source="organization.name")
    organization_display_name = serializers.CharField(source="organization.display_name")

    class Meta:
        model = Group
        fields = (
            "id",
            "organization_id",
            "organization_name",
            "organization_display_name",
            "name",
            "display_name",
            "avatar_url",
            "quota_allowance",
            "source",
        )


class GroupDetailOut(GroupOut):
    """One group with the first hundred of its people; `total_member_count` says how many there are."""

    members = ReducedUserOut(many=True)
    total_member_count = serializers.IntegerField()

    class Meta(GroupOut.Meta):
        fields = (*GroupOut.Meta.fields, "members", "total_member_count")  # type: ignore[assignment]


class GroupIn(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=200)
    display_name = serializers.CharField(max_length=400, required=False, allow_blank=True)
    avatar_url = serializers.CharField(max_length=512, required=False, allow_blank=True)
    quota_allowance = serializers.IntegerField(required=False)


class UserNames(serializers.ListField):
    """Ids or usernames."""

    child = serializers.CharField(max_length=64)

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, max_length=100, **options)


class GroupPatch(GroupIn):
    name = serializers.CharField(max_length=200, required=False)
    add_users = UserNames()
    remove_users = UserNames()
