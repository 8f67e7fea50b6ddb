"""The built-in roles, exactly as in reference/rbac-and-organizations.md, section 2.1 (era E2), and who
may hand out which role (section 2.2).
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache, lru_cache
from typing import Final

from rbac.model import LEGAL_ACTIONS, Action, Permission, ResourceType, Role

OWNER: Final = "owner"
TEMPLATE_ADMIN: Final = "template-admin"
USER_ADMIN: Final = "user-admin"
AUDITOR: Final = "auditor"
MEMBER: Final = "member"
ORG_ADMIN: Final = "organization-admin"
ORG_MEMBER: Final = "organization-member"
ORG_AUDITOR: Final = "organization-auditor"
ORG_TEMPLATE_ADMIN: Final = "organization-template-admin"
ORG_USER_ADMIN: Final = "organization-user-admin"
ORG_WORKSPACE_CREATION_BAN: Final = "organization-workspace-creation-ban"

SITE_ROLES: Final = (OWNER, MEMBER, AUDITOR, TEMPLATE_ADMIN, USER_ADMIN)
ORG_ROLES: Final = (
    ORG_ADMIN,
    ORG_MEMBER,
    ORG_AUDITOR,
    ORG_USER_ADMIN,
    ORG_TEMPLATE_ADMIN,
    ORG_WORKSPACE_CREATION_BAN,
)
IMPLIED_ROLES: Final = frozenset({MEMBER, ORG_MEMBER})
"""Held by everybody (in the organization); never stored, offered or taken away."""

DISPLAY_NAMES: Final[Mapping[str, str]] = {
    OWNER: "Owner",
    MEMBER: "Member",
    AUDITOR: "Auditor",
    TEMPLATE_ADMIN: "Template Admin",
    USER_ADMIN: "User Admin",
    ORG_ADMIN: "Organization Admin",
    ORG_MEMBER: "",
    ORG_AUDITOR: "Organization Auditor",
    ORG_USER_ADMIN: "Organization User Admin",
    ORG_TEMPLATE_ADMIN: "Organization Template Admin",
    ORG_WORKSPACE_CREATION_BAN: "Organization Workspace Creation Ban",
}


class UnknownRole(ValueError):
    """The text names no built-in role of that kind."""

    def __init__(self, name: str) -> None:
        super().__init__(f'"{name}" is not a supported role')
        self.name = name


def grants(**by_type: str) -> tuple[Permission, ...]:
    """`grants(user="read", template="*")`: one positive permission per word."""
    return tuple(
        Permission(ResourceType(type_), "*" if word == "*" else Action(word))
        for type_, words in by_type.items()
        for word in words.split()
    )


def bans(**by_type: str) -> tuple[Permission, ...]:
    """Like `grants`, but each permission is a ban."""
    return tuple(Permission(p.resource_type, p.action, negate=True) for p in grants(**by_type))


def every_type_except(*types: ResourceType) -> tuple[Permission, ...]:
    """All actions of every resource type but `types`."""
    return tuple(Permission(type_, "*") for type_ in ResourceType if type_ not in types)


_CRUD = "create read update delete"
_DORMANT = grants(workspace_dormant="create read update delete stop create_agent delete_agent")
_PREBUILT = grants(prebuilt_workspace="update delete")
_EXEC = {Action.SSH, Action.APPLICATION_CONNECT}
_WORKSPACE_WITHOUT_EXEC = tuple(
    Permission(ResourceType.WORKSPACE, action)
    for action in sorted(LEGAL_ACTIONS[ResourceType.WORKSPACE] - _EXEC)
)


def _owner(*, owner_workspace_exec: bool) -> Role:
    return Role(
        OWNER,
        DISPLAY_NAMES[OWNER],
        site=every_type_except(
            ResourceType.WORKSPACE,
            ResourceType.WORKSPACE_DORMANT,
            ResourceType.PREBUILT_WORKSPACE,
            ResourceType.USER_SECRET,
            ResourceType.USAGE_EVENT,
        )
        + (grants(workspace="*") if owner_workspace_exec else _WORKSPACE_WITHOUT_EXEC)
        + _DORMANT
        + _PREBUILT,
    )


def _member() -> Role:
    return Role(
        MEMBER,
        DISPLAY_NAMES[MEMBER],
        site=grants(assign_role="read", oauth2_app="read", workspace_proxy="read"),
        user=every_type_except(
            ResourceType.WORKSPACE_DORMANT,
            ResourceType.PREBUILT_WORKSPACE,
            ResourceType.USER,
            ResourceType.ORGANIZATION_MEMBER,
        )
        + _DORMANT
        + grants(
            user="read read_personal update_personal",
            organization_member="read",
            provisioner_daemon="read create update",
        ),
    )


def _auditor() -> Role:
    return Role(
        AUDITOR,
        DISPLAY_NAMES[AUDITOR],
        site=grants(
            organization="read",
            organization_member="read",
            group="read",
            group_member="read",
            user="read",
            template="read view_insights",
            assign_org_role="read",
            audit_log="read",
            connection_log="read",
            deployment_config="read",
            deployment_stats="read",
        ),
    )


def _template_admin() -> Role:
    return Role(
        TEMPLATE_ADMIN,
        DISPLAY_NAMES[TEMPLATE_ADMIN],
        site=grants(
            organization="read",
            organization_member="read",
            group="read",
            group_member="read",
            user="read",
            template="*",
            file="create read",
            workspace="read",
            provisioner_daemon=_CRUD,
            assign_org_role="read",
        )
        + _PREBUILT,
    )


def _user_admin() -> Role:
    return Role(
        USER_ADMIN,
        DISPLAY_NAMES[USER_ADMIN],
        site=grants(
            organization="read",
            organization_member=_CRUD,
            group=_CRUD,
            group_member="read",
            user="*",
            assign_role="assign unassign read",
            assign_org_role="assign unassign read",
            idpsync_settings="read update",
        ),
    )


def _org_admin(org: str) -> Role:
    permissions = (
        every_type_except(
            ResourceType.WORKSPACE,
            ResourceType.WORKSPACE_DORMANT,
            ResourceType.PREBUILT_WORKSPACE,
            ResourceType.ASSIGN_ROLE,
            ResourceType.USER_SECRET,
        )
        + _WORKSPACE_WITHOUT_EXEC
        + _DORMANT
        + _PREBUILT
    )
    return _org_role(ORG_ADMIN, org, permissions, site=grants(user="read"))


def _org_member(org: str) -> Role:
    return _org_role(
        ORG_MEMBER, org, grants(organization="read", provisioner_daemon="read", assign_org_role="read")
    )


def _org_auditor(org: str) -> Role:
    return _org_role(
        ORG_AUDITOR,
        org,
        grants(
            organization="read",
            organization_member="read",
            group="read",
            group_member="read",
            template="read view_insights",
            audit_log="read",
            connection_log="read",
        ),
    )


def _org_template_admin(org: str) -> Role:
    return _org_role(
        ORG_TEMPLATE_ADMIN,
        org,
        grants(
            organization="read",
            organization_member="read",
            group="read",
            group_member="read",
            template="*",
            file="create read",
            workspace="read",
            provisioner_daemon=_CRUD,
            provisioner_jobs="read update create",
        )
        + _PREBUILT,
    )


def _org_user_admin(org: str) -> Role:
    return _org_role(
        ORG_USER_ADMIN,
        org,
        grants(
            organization="read",
            organization_member=_CRUD,
            group=_CRUD,
            group_member="read",
            assign_org_role="assign unassign read",
            idpsync_settings="read update",
        ),
        site=grants(user="read"),
    )


def _org_workspace_creation_ban(org: str) -> Role:
    return _org_role(
        ORG_WORKSPACE_CREATION_BAN, org, bans(workspace="create delete create_agent delete_agent")
    )


def _org_role(
    name: str, org: str, permissions: tuple[Permission, ...], *, site: tuple[Permission, ...] = ()
) -> Role:
    return Role(name, DISPLAY_NAMES[name], site=site, org={org: permissions})


_SITE_BUILDERS: Final[Mapping[str, Callable[[], Role]]] = {
    MEMBER: _member,
    AUDITOR: _auditor,
    TEMPLATE_ADMIN: _template_admin,
    USER_ADMIN: _user_admin,
}
_ORG_BUILDERS: Final[Mapping[str, Callable[[str], Role]]] = {
    ORG_ADMIN: _org_admin,
    ORG_MEMBER: _org_member,
    ORG_AUDITOR: _org_auditor,
    ORG_TEMPLATE_ADMIN: _org_template_admin,
    ORG_USER_ADMIN: _org_user_admin,
    ORG_WORKSPACE_CREATION_BAN: _org_workspace_creation_ban,
}


@cache
def site_role(name: str, *, owner_workspace_exec: bool = True) -> Role:
    """The built-in site role `name`, else UnknownRole.

    `owner_workspace_exec=False` takes ssh and application_connect from the owner (a deployment's choice).
    """
    if name == OWNER:
        return _owner(owner_workspace_exec=owner_workspace_exec)
    if name not in _SITE_BUILDERS:
        raise UnknownRole(name)
    return _SITE_BUILDERS[name]()


@lru_cache(maxsize=4096)
def org_role(name: str, org: str) -> Role:
    """The built-in organization role `name` inside the organization with id `org`, else UnknownRole."""
    if name not in _ORG_BUILDERS or not org:
        raise UnknownRole(name)
    return _ORG_BUILDERS[name](org)


def parse_role_identifier(text: str) -> tuple[str, str]:
    """`"name"` → (name, ""), `"name:<organization id>"` → (name, id); anything else is a ValueError."""
    name, colon, org = text.partition(":")
    if not name or ":" in org or (colon and not org):
        raise ValueError(f'"{text}" is not a role: write it as name or name:<organization id>')
    return name, org


def role_by_identifier(text: str) -> Role:
    """The built-in role an identifier text names; a site role with an organization, or an organization
    role without one, does not resolve (section 2.2)."""
    name, org = parse_role_identifier(text)
    return org_role(name, org) if org else site_role(name)


CUSTOM_SITE_ROLE: Final = "custom-site-role"
CUSTOM_ORG_ROLE: Final = "custom-organization-role"

_ASSIGNABLE: Final[Mapping[str, frozenset[str]]] = {
    OWNER: frozenset({*SITE_ROLES, *ORG_ROLES, CUSTOM_SITE_ROLE, CUSTOM_ORG_ROLE}),
    USER_ADMIN: frozenset({MEMBER, ORG_MEMBER}),
    ORG_ADMIN: frozenset({*ORG_ROLES, CUSTOM_ORG_ROLE}),
    ORG_USER_ADMIN: frozenset({ORG_MEMBER}),
}
SYSTEM_ROLE: Final = "system"
"""Name of the role that system subjects carry; it hands out roles as an owner does."""


def may_hand_out(held: Iterable[Role], name: str, org: str = "") -> bool:
    """Whether one of the `held` roles lists role `name` (of organization `org`, or of the site) in the
    assignable map. A held organization role counts for its own organization only. The same map serves
    giving and taking; it is the second of two checks (the first is `assign`/`unassign` itself)."""
    builtin = SITE_ROLES if not org else ORG_ROLES
    target = name if name in builtin else CUSTOM_ORG_ROLE if org else CUSTOM_SITE_ROLE
    for role in held:
        key = OWNER if role.name == SYSTEM_ROLE else role.name
        if role.org and org not in role.org:
            continue
        if target in _ASSIGNABLE.get(key, ()):
            return True
    return False
