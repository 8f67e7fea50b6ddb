"""Django's authentication backend: `user.has_perm`, admin classes and templates ask the one policy."""

from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import BaseBackend
from django.db.models import Model
from django.http import HttpRequest

from rbac.django import Authorizable, may, subject_for
from rbac.model import LEGAL_ACTIONS, Action, RbacObject, ResourceType
from rbac.policy import allowed

_VERBS = {"add": Action.CREATE, "view": Action.READ, "change": Action.UPDATE, "delete": Action.DELETE}
# Types whose rows have an owner (section 1.2): of these, something may be one's own.
_OWNED = frozenset(
    {
        ResourceType.API_KEY,
        ResourceType.FILE,
        ResourceType.GROUP_MEMBER,
        ResourceType.INBOX_NOTIFICATION,
        ResourceType.NOTIFICATION_PREFERENCE,
        ResourceType.ORGANIZATION_MEMBER,
        ResourceType.USER,
        ResourceType.WORKSPACE,
        ResourceType.WORKSPACE_DORMANT,
    }
)


class PolicyBackend(BaseBackend):
    """Passwords for people, and rights by roles only: staff and superuser flags open nothing."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **_: Any
    ) -> Any:
        """The user of that username or e-mail with that password, or None. An unknown name costs as much
        time as a wrong password, so that names cannot be guessed by the clock."""
        model = get_user_model()
        if not username or password is None:
            return None
        try:
            user = model._default_manager.get_by_natural_key(username)
        except model.DoesNotExist:
            model().set_password(password)
            return None
        if user.check_password(password) and user.is_active:
            return user
        return None

    def get_user(self, user_id: Any) -> Any:
        """The user of a session, as long as it may log in."""
        user = get_user_model()._default_manager.filter(pk=user_id).first()
        return user if user is not None and user.is_active else None

    def has_perm(self, user_obj: Any, perm: str, obj: Model | None = None) -> bool:
        """`app.verb_model`. Without an object: whether the policy gives it anywhere (a menu entry, an admin
        list); with one: on this object. Both must hold, as Django's admin asks both."""
        resolved = resolve_permission(perm)
        if resolved is None:
            return False
        type_, action = resolved
        subject = subject_for(user_obj)
        if obj is not None:
            return isinstance(obj, Authorizable) and may(subject, action, obj)
        owner = subject.id if type_ in _OWNED else ""
        return allowed(subject, action, RbacObject(type_, owner=owner)) or allowed(
            subject, action, RbacObject(type_, any_org=True, owner=owner)
        )

    def has_module_perms(self, user_obj: Any, app_label: str) -> bool:
        """Whether any model of the application can be looked at."""
        return any(
            self.has_perm(user_obj, f"{app_label}.view_{model._meta.model_name}")
            for model in apps.get_app_config(app_label).get_models()
        )


def resolve_permission(perm: str) -> tuple[ResourceType, Action] | None:
    """`"catalog.view_template"` → (template, read), by the model's `rbac_type`; None when the model takes no
    part in the policy or the verb is not one of its type."""
    app_label, _, codename = perm.partition(".")
    verb, _, model_name = codename.rpartition("_")
    try:
        model = apps.get_model(app_label, model_name)
    except (LookupError, ValueError):
        return None
    type_: ResourceType | None = getattr(model, "rbac_type", None)
    if type_ is None:
        return None
    try:
        action = _VERBS.get(verb) or Action(verb)
    except ValueError:
        return None
    return (type_, action) if action in LEGAL_ACTIONS[type_] else None
