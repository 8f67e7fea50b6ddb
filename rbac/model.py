"""What authorisation speaks about: resource types, actions, objects, roles, scopes and subjects.

Pure data, no Django. Ids are texts (`str(uuid)`); an absent id is the empty text.
Source of names and legal actions: reference/rbac-and-organizations.md, section 1 (era E2).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Final, Literal

PREBUILDS_USER_ID: Final = "c42fdf75-3097-471c-8c33-fb52454d81c0"
"""The system user who owns every unclaimed prebuild (section 3.1)."""

NIL_ID: Final = "00000000-0000-0000-0000-000000000000"

WILDCARD: Final = "*"

Level = Literal[-1, 0, 1]


class ResourceType(StrEnum):
    """Every kind of thing a permission can name."""

    API_KEY = "api_key"
    ASSIGN_ORG_ROLE = "assign_org_role"
    ASSIGN_ROLE = "assign_role"
    AUDIT_LOG = "audit_log"
    CONNECTION_LOG = "connection_log"
    CRYPTO_KEY = "crypto_key"
    DEBUG_INFO = "debug_info"
    DEPLOYMENT_CONFIG = "deployment_config"
    DEPLOYMENT_STATS = "deployment_stats"
    FILE = "file"
    GROUP = "group"
    GROUP_MEMBER = "group_member"
    IDPSYNC_SETTINGS = "idpsync_settings"
    INBOX_NOTIFICATION = "inbox_notification"
    LICENSE = "license"
    NOTIFICATION_MESSAGE = "notification_message"
    NOTIFICATION_PREFERENCE = "notification_preference"
    NOTIFICATION_TEMPLATE = "notification_template"
    OAUTH2_APP = "oauth2_app"
    OAUTH2_APP_CODE_TOKEN = "oauth2_app_code_token"  # noqa: S105 (a resource name, not a secret)
    OAUTH2_APP_SECRET = "oauth2_app_secret"  # noqa: S105 (a resource name, not a secret)
    ORGANIZATION = "organization"
    ORGANIZATION_MEMBER = "organization_member"
    PREBUILT_WORKSPACE = "prebuilt_workspace"
    PROVISIONER_DAEMON = "provisioner_daemon"
    PROVISIONER_JOBS = "provisioner_jobs"
    REPLICAS = "replicas"
    SYSTEM = "system"
    TAILNET_COORDINATOR = "tailnet_coordinator"
    TEMPLATE = "template"
    USAGE_EVENT = "usage_event"
    USER = "user"
    USER_SECRET = "user_secret"  # noqa: S105 (a resource name, not a secret)
    WEBPUSH_SUBSCRIPTION = "webpush_subscription"
    WORKSPACE = "workspace"
    WORKSPACE_AGENT_DEVCONTAINERS = "workspace_agent_devcontainers"
    WORKSPACE_AGENT_RESOURCE_MONITOR = "workspace_agent_resource_monitor"
    WORKSPACE_DORMANT = "workspace_dormant"
    WORKSPACE_PROXY = "workspace_proxy"


class Action(StrEnum):
    """Every verb a permission can name."""

    CREATE = "create"
    READ = "read"
    UPDATE = "update"
    DELETE = "delete"
    USE = "use"
    VIEW_INSIGHTS = "view_insights"
    READ_PERSONAL = "read_personal"
    UPDATE_PERSONAL = "update_personal"
    START = "start"
    STOP = "stop"
    SSH = "ssh"
    APPLICATION_CONNECT = "application_connect"
    CREATE_AGENT = "create_agent"
    DELETE_AGENT = "delete_agent"
    ASSIGN = "assign"
    UNASSIGN = "unassign"


def _actions(text: str) -> frozenset[Action]:
    return frozenset(Action(word) for word in text.split())


_CRUD = "create read update delete"
_WORKSPACE = f"{_CRUD} start stop ssh application_connect create_agent delete_agent"

LEGAL_ACTIONS: Final[Mapping[ResourceType, frozenset[Action]]] = {
    ResourceType(name): _actions(actions)
    for name, actions in {
        "user": f"{_CRUD} read_personal update_personal",
        "organization": _CRUD,
        "organization_member": _CRUD,
        "group": _CRUD,
        "group_member": "read",
        "template": f"{_CRUD} use view_insights",
        "file": "create read",
        "workspace": _WORKSPACE,
        "workspace_dormant": _WORKSPACE,
        "prebuilt_workspace": "update delete",
        "provisioner_daemon": _CRUD,
        "provisioner_jobs": "read update create",
        "assign_role": "assign unassign read",
        "assign_org_role": "assign unassign create read update delete",
        "audit_log": "read create",
        "connection_log": "read update",
        "deployment_config": "read update",
        "deployment_stats": "read",
        "replicas": "read",
        "debug_info": "read",
        "idpsync_settings": "read update",
        "notification_message": _CRUD,
        "notification_template": "read update",
        "notification_preference": "read update",
        "inbox_notification": "create read update",
        "webpush_subscription": "create read delete",
        "api_key": _CRUD,
        "crypto_key": _CRUD,
        "tailnet_coordinator": _CRUD,
        "workspace_proxy": _CRUD,
        "oauth2_app": _CRUD,
        "oauth2_app_secret": _CRUD,
        "user_secret": _CRUD,
        "license": "create read delete",
        "oauth2_app_code_token": "create read delete",
        "system": _CRUD,
        "workspace_agent_resource_monitor": "create read update",
        "workspace_agent_devcontainers": "create",
        "usage_event": "create read update",
    }.items()
}
"""Which actions exist for which type. Asking any other pair is a programming error, never a denial."""


class IllegalAction(ValueError):
    """An action was asked (or granted) that its resource type does not have: a bug in the caller."""

    def __init__(self, action: str, type_: str) -> None:
        legal = ", ".join(sorted(LEGAL_ACTIONS.get(type_, ())))  # type: ignore[call-overload]
        super().__init__(f'"{action}" is not an action of resource "{type_}"; it has: {legal or "none"}')


@dataclass(frozen=True)
class RbacObject:
    """What the policy may know of a row (section 1.2).

    `org` and `owner` are empty when the row has none. `any_org` asks "in some organization of mine".
    `acl_users` and `acl_groups` map an id to the actions granted to it; `*` grants all of them. The
    group whose id is the organization's own id is Everyone.
    """

    type: ResourceType
    id: str = ""
    org: str = ""
    owner: str = ""
    any_org: bool = False
    acl_users: Mapping[str, Collection[str]] = field(default_factory=dict, hash=False)
    acl_groups: Mapping[str, Collection[str]] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Permission:
    """One grant, or with `negate` one ban; `*` stands for every type or every action."""

    resource_type: ResourceType | Literal["*"]
    action: Action | Literal["*"]
    negate: bool = False

    def __post_init__(self) -> None:
        if WILDCARD in (self.resource_type, self.action):
            return
        if self.action not in LEGAL_ACTIONS[ResourceType(self.resource_type)]:
            raise IllegalAction(self.action, self.resource_type)


class PermissionTable:
    """Permissions of one level, ready for quick questions: -1 banned, +1 granted, 0 not mentioned."""

    __slots__ = ("_memo", "_negative", "_positive")

    def __init__(self, permissions: Iterable[Permission]) -> None:
        self._positive: set[tuple[str, str]] = set()
        self._negative: set[tuple[str, str]] = set()
        self._memo: dict[tuple[str, str], Level] = {}
        for permission in permissions:
            target = self._negative if permission.negate else self._positive
            target.add((permission.resource_type, permission.action))

    def level(self, type_: ResourceType, action: Action) -> Level:
        """A ban beats a grant of the same level (section 1.4)."""
        known = self._memo.get((type_, action))
        if known is None:
            keys = {(type_, action), (type_, WILDCARD), (WILDCARD, action), (WILDCARD, WILDCARD)}
            known = -1 if keys & self._negative else 1 if keys & self._positive else 0
            self._memo[type_, action] = known
        return known


@dataclass(frozen=True)
class Role:
    """A named bundle of permissions on three levels.

    `org` maps an organization id to its permissions; an entry with no permissions still makes its
    holder a member of that organization. `user` permissions count only on objects the subject owns.
    """

    name: str
    display_name: str = ""
    site: tuple[Permission, ...] = ()
    org: Mapping[str, tuple[Permission, ...]] = field(default_factory=dict, hash=False)
    user: tuple[Permission, ...] = ()

    @property
    def identifier(self) -> str:
        """`name` for a site role, `name:<organization id>` for a role inside one organization."""
        return ":".join([self.name, *self.org]) if len(self.org) == 1 else self.name


@dataclass(frozen=True)
class Scope:
    """A ceiling over a subject: its token can do no more than `role` allows, on `allow_ids` only."""

    role: Role
    allow_ids: frozenset[str] = frozenset({WILDCARD})

    @cached_property
    def policy(self) -> "CompiledRoles":
        return CompiledRoles((self.role,))


SCOPE_ALL: Final = Scope(Role("Scope_all", "All operations", site=(Permission("*", "*"),)))
SCOPE_APPLICATION_CONNECT: Final = Scope(
    Role(
        "Scope_application_connect",
        "Ability to connect to applications",
        site=(Permission(ResourceType.WORKSPACE, Action.APPLICATION_CONNECT),),
    )
)
SCOPES: Final[Mapping[str, Scope]] = {
    "all": SCOPE_ALL,
    "application_connect": SCOPE_APPLICATION_CONNECT,
}


class CompiledRoles:
    """The merged permission tables of a set of roles, one per level and organization."""

    __slots__ = ("org", "site", "user")

    def __init__(self, roles: Iterable[Role]) -> None:
        roles = tuple(roles)
        by_org: dict[str, list[Permission]] = {}
        for role in roles:
            for org, permissions in role.org.items():
                by_org.setdefault(org, []).extend(permissions)
        self.site = PermissionTable(p for role in roles for p in role.site)
        self.org = {org: PermissionTable(permissions) for org, permissions in by_org.items()}
        self.user = PermissionTable(p for role in roles for p in role.user)


@dataclass(frozen=True)
class Subject:
    """Who asks. For a person `roles` holds the implied `member` and `organization-member` roles too.

    `is_system` marks an internal subject from `rbac.subjects.acting_as`, whose `reason` says why the
    program acts in its own name.
    """

    id: str
    username: str = ""
    roles: tuple[Role, ...] = ()
    groups: frozenset[str] = frozenset()
    scope: Scope = SCOPE_ALL
    is_system: bool = False
    reason: str = ""

    @cached_property
    def policy(self) -> CompiledRoles:
        return CompiledRoles(self.roles)

    @cached_property
    def orgs(self) -> frozenset[str]:
        """Organizations the subject is a member of: those in which any role has an entry."""
        return frozenset(self.policy.org)

    @cached_property
    def all_groups(self) -> frozenset[str]:
        """The groups, and the Everyone group (the organization's own id) of each organization."""
        return self.groups | self.orgs

    def has_role(self, name: str, org: str = "") -> bool:
        """Whether the role of that name is held: a site role, or one inside `org`."""
        return any(role.name == name and (org in role.org if org else not role.org) for role in self.roles)


ANONYMOUS: Final = Subject(id="", username="")
"""Nobody: no role, hence no right."""
