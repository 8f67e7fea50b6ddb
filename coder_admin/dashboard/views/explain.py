"""Why can I, why can't I: administrators ask the policy about a person."""

from __future__ import annotations

from django.http import HttpResponse

from coder_admin.dashboard.access import may_explain
from coder_admin.dashboard.http import ViewerRequest, draw, page
from coder_admin.dashboard.selectors import people
from coder_admin.foundation.errors import Forbidden
from rbac.asking import Answer, BadQuestion, Question, answer, read_question
from rbac.django import may
from rbac.model import LEGAL_ACTIONS, Action, RbacObject, ResourceType, Subject
from rbac.policy import allowed

MAX_SUGGESTIONS = 100
UNSEEN = "There is no such object, or you may not see it. Write its id, or names as in the examples."
EXAMPLES = (
    ("workspace:ada/dev", "a workspace, by owner and name"),
    ("template:acme/docker", "a template, by organization and name"),
    ("workspace@acme/ada", "a new workspace of ada in acme"),
    ("template@acme", "a new template in acme"),
    ("user:ada", "a person"),
    ("audit_log", "the whole deployment's"),
)


@page
def explain(request: ViewerRequest) -> HttpResponse:
    """The question is in the address, so that an answer can be passed on."""
    if not may_explain(request.viewer):
        raise Forbidden("You may not look into the rights of other people.")
    asked = {name: request.GET.get(name, "").strip() for name in ("user", "action", "object")}
    told: Answer | None = None
    errors: dict[str, str] = {}
    if any(asked.values()):
        try:
            told = answer(_readable(request.viewer, asked))
        except BadQuestion as error:
            errors[error.part] = str(error)
    context: dict[str, object] = {
        "asked": asked,
        "answer": told,
        "errors": errors,
        "actions": sorted(Action),
        "examples": EXAMPLES,
        "usernames": people.usernames(request.viewer, MAX_SUGGESTIONS),
    }
    return draw(request, "people/access.html", context)


def _readable(viewer: Subject, asked: dict[str, str]) -> Question:
    """The question, if the viewer may see all that it names. Raises BadQuestion, which tells nothing of what
    exists and may not be seen."""
    try:
        question = read_question(asked["user"], asked["action"], asked["object"])
    except BadQuestion as error:
        if error.part == "object" and ":" in asked["object"] and "is no resource type" not in str(error):
            raise BadQuestion("object", UNSEEN) from None
        raise
    if not may(viewer, Action.READ, question.user):
        raise BadQuestion("user", f'There is no user "{asked["user"]}". Write a username or an id.')
    obj = question.object
    if not _seen(viewer, obj):
        raise BadQuestion("object", UNSEEN)
    return question


def _seen(viewer: Subject, obj: RbacObject) -> bool:
    """Who gives roles on the site asks about anything they may read; others about their organizations."""
    if obj.id and Action.READ in LEGAL_ACTIONS[obj.type] and not may(viewer, Action.READ, obj):
        return False
    if obj.org and not may(
        viewer, Action.READ, RbacObject(ResourceType.ORGANIZATION, id=obj.org, org=obj.org)
    ):
        return False
    if allowed(viewer, Action.ASSIGN, RbacObject(ResourceType.ASSIGN_ROLE)):
        return True
    return bool(obj.org) and allowed(
        viewer, Action.ASSIGN, RbacObject(ResourceType.ASSIGN_ORG_ROLE, org=obj.org)
    )
