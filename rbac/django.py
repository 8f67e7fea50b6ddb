"""Where Django meets the policy: the subject of a user, and the one check that services call."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

from coder_admin.foundation.errors import Forbidden, NotFound
from rbac.model import ANONYMOUS, LEGAL_ACTIONS, Action, RbacObject, Scope, Subject
from rbac.policy import allowed
from rbac.prebuilt import WORKSPACE_TYPES, workspace_allowed

SubjectLoader = Callable[[Any], Subject]

_MEMO = "_rbac_subject"
_loader: SubjectLoader | None = None


@runtime_checkable
class Authorizable(Protocol):
    """A row that knows what the policy may know of it."""

    def rbac_object(self) -> RbacObject: ...


def register_subject_loader(loader: SubjectLoader) -> None:
    """The room that stores users says how a user row becomes a Subject (roles, groups)."""
    global _loader  # noqa: PLW0603 - one loader per process, set when the applications are ready
    _loader = loader


def subject_for(user: Any) -> Subject:
    """The Subject of a user row, loaded once per user object (that is, once per request).

    Nobody, and anybody who may not log in, is a subject without rights.
    """
    if not getattr(user, "is_authenticated", False) or not user.is_active:
        return ANONYMOUS
    known: Subject | None = getattr(user, _MEMO, None)
    if known is None:
        if _loader is None:
            raise RuntimeError(
                "no subject loader is registered: the organizations application is not installed"
            )
        known = _loader(user)
        setattr(user, _MEMO, known)
    return known


def limit_scope(user: Any, scope: Scope) -> None:
    """Put the ceiling of a token over everything `user` does in this request."""
    setattr(user, _MEMO, replace(subject_for(user), scope=scope))


def forget_subject(user: Any) -> None:
    """Load the subject anew at the next question: the user's roles or groups were just changed."""
    if hasattr(user, _MEMO):
        delattr(user, _MEMO)


def as_object(target: Authorizable | RbacObject) -> RbacObject:
    """The policy's view of a row; an RbacObject is its own."""
    return target if isinstance(target, RbacObject) else target.rbac_object()


def may(actor: Subject, action: Action, target: Authorizable | RbacObject) -> bool:
    """Whether the policy allows it; workspaces are asked "workspace, then prebuilt" (section 3.2)."""
    obj = as_object(target)
    if obj.type in WORKSPACE_TYPES:
        return workspace_allowed(actor, action, obj)
    return allowed(actor, action, obj)


def require(actor: Subject, action: Action, target: Authorizable | RbacObject, *, message: str = "") -> None:
    """Return in silence when allowed. What the actor may not even read does not exist (NotFound);
    what it may read but not touch is Forbidden, with `message` if given.

    An object without id is one that is to be made: there is nothing to hide, so a denial is Forbidden.
    """
    obj = as_object(target)
    if may(actor, action, obj):
        return
    readable = Action.READ in LEGAL_ACTIONS[obj.type]
    if obj.id and readable and (action is Action.READ or not may(actor, Action.READ, obj)):
        raise NotFound
    thing = str(obj.type).replace("_", " ")
    raise Forbidden(
        message or f"You may not {str(action).replace('_', ' ')} this {thing}.",
        detail="Ask an administrator for a role that allows it.",
    )
