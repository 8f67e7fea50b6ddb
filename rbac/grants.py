"""Access lists kept by django-guardian: who was given what on one object.

A permission row's codename stands for a set of actions (for templates: `use_template` = read and use,
`admin_template` = everything). The policy reads the lists through here, both for one object and compiled
into queryset filters, so that guardian and policy cannot disagree. Groups are named by the id of their
organization group, whose Django group carries the guardian row.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import Permission as DjangoPermission
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model, Q

from rbac.filters import FieldMap
from rbac.model import WILDCARD, Action, ResourceType


@dataclass(frozen=True)
class Acl:
    """The access lists of one object: id → actions."""

    users: Mapping[str, frozenset[str]] = field(default_factory=dict)
    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)


class _Lazy(Mapping[str, frozenset[str]]):
    """One of an object's two lists, read when the policy first looks into it: mostly a role has decided
    before, and the lists of a page's rows were attached in bulk."""

    def __init__(self, read: Callable[[], Mapping[str, frozenset[str]]]) -> None:
        self._read = read

    def __getitem__(self, key: str) -> frozenset[str]:
        return self._read()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __repr__(self) -> str:
        return f"<access list of {self._read.__qualname__}>"


_tables: list["AclTables"] = []


@dataclass(frozen=True)
class AclTables:
    """The two guardian tables (direct foreign keys) of one model, and what its codenames mean."""

    model: type[Model]
    user_table: type[Model]
    group_table: type[Model]
    actions: Mapping[str, frozenset[str]]

    def __post_init__(self) -> None:
        _tables.append(self)

    def of(self, obj: Model) -> Acl:
        """Both lists of one object: two queries, none when `attach` was called before."""
        known: Acl | None = getattr(obj, "_rbac_acl", None)
        if known is None:
            self.attach([obj])
            known = obj._rbac_acl  # type: ignore[attr-defined]
        return known

    def lists(self, obj: Model) -> tuple[Mapping[str, frozenset[str]], Mapping[str, frozenset[str]]]:
        """The user list and the group list of `obj` for its RbacObject, read only when they are needed."""
        return _Lazy(lambda: self.of(obj).users), _Lazy(lambda: self.of(obj).groups)

    def attach(self, objects: Iterable[Model]) -> None:
        """Read the lists of many objects at once (two queries) and keep them on the objects."""
        objects = list(objects)
        keys = {obj.pk for obj in objects}
        users = self._read(self.user_table, "user_id", keys)
        groups = self._read(self.group_table, "group__organization_group__id", keys)
        for obj in objects:
            obj._rbac_acl = Acl(users.get(obj.pk, {}), groups.get(obj.pk, {}))  # type: ignore[attr-defined]

    def forget(self, obj: Model) -> None:
        """The lists of `obj` were just changed."""
        if hasattr(obj, "_rbac_acl"):
            del obj._rbac_acl

    def user_q(self, user_id: str, action: Action, *, path: str = "pk") -> Q:
        """Objects (found at `path`) on which the user's own rows grant `action`."""
        rows = self._rows(self.user_table, action).filter(user_id=user_id)
        return Q(**{f"{path}__in": rows.values("content_object_id")})

    def group_q(self, group_ids: Collection[str], action: Action, *, path: str = "pk") -> Q:
        """Objects on which a row of one of the groups grants `action`."""
        rows = self._rows(self.group_table, action).filter(
            group__organization_group__id__in=sorted(group_ids)
        )
        return Q(**{f"{path}__in": rows.values("content_object_id")})

    def field_map(self, type_: ResourceType, *, path: str = "") -> FieldMap:
        """How a queryset's filter reaches the organization and the lists; `path` leads from the filtered
        rows to the model ("template__" for template versions)."""
        return FieldMap(
            type_,
            id=f"{path}pk",
            org=f"{path}organization_id",
            user_acl=lambda user_id, action: self.user_q(user_id, action, path=f"{path}pk"),
            group_acl=lambda group_ids, action: self.group_q(group_ids, action, path=f"{path}pk"),
        )

    def set_user(self, obj: Model, user_id: Any, codename: str | None) -> None:
        """Give the user exactly `codename` on `obj`, or with None nothing."""
        self._set(self.user_table, obj, {"user_id": user_id}, codename)

    def set_group(self, obj: Model, group_id: Any, codename: str | None) -> None:
        """Give the organization group exactly `codename` on `obj`, or with None nothing."""
        self._set(self.group_table, obj, {"group__organization_group__id": group_id}, codename)

    def _set(self, table: type[Model], obj: Model, who: dict[str, Any], codename: str | None) -> None:
        manager = table._default_manager
        manager.filter(content_object_id=obj.pk, **who).delete()
        if codename is not None:
            if codename not in self.actions:
                raise ValueError(f'"{codename}" is not a grant of {self.model.__name__}')
            if "user_id" not in who:
                group_model: Any = table._meta.get_field("group").related_model
                who = {"group": group_model.objects.get(organization_group__id=next(iter(who.values())))}
            manager.create(content_object_id=obj.pk, permission=self._permission(codename), **who)
        self.forget(obj)

    def _permission(self, codename: str) -> DjangoPermission:
        content_type = ContentType.objects.get_for_model(self.model)
        permission, _ = DjangoPermission.objects.get_or_create(
            content_type=content_type, codename=codename, defaults={"name": codename.replace("_", " ")}
        )
        return permission

    def _rows(self, table: type[Model], action: Action) -> Any:
        names = [name for name, actions in self.actions.items() if action in actions or WILDCARD in actions]
        return table._default_manager.filter(permission__codename__in=names)

    def _read(
        self, table: type[Model], who: str, keys: Collection[Any]
    ) -> dict[Any, dict[str, frozenset[str]]]:
        lists: dict[Any, dict[str, frozenset[str]]] = defaultdict(dict)
        rows = table._default_manager.filter(content_object_id__in=keys)
        for key, holder, codename in rows.values_list("content_object_id", who, "permission__codename"):
            if holder is not None and codename in self.actions:
                held = lists[key].get(str(holder), frozenset())
                lists[key][str(holder)] = held | self.actions[codename]
        return lists


def drop_user_grants(user_id: Any, organization_id: Any) -> None:
    """Take all that was granted to the user on objects of one organization, which they leave."""
    for tables in _tables:
        tables.user_table._default_manager.filter(
            user_id=user_id, content_object__organization_id=organization_id
        ).delete()
