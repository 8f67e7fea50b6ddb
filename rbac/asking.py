"""A person's question "why may USER do ACTION on OBJECT?" in words, and its answer in words; one reading for
`manage.py rbac_explain` and for the page of administrators.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model

from rbac.django import subject_for
from rbac.explain import Explanation, Finding, Step, explain, roles_that_allow, sentence
from rbac.model import LEGAL_ACTIONS, SCOPE_ALL, Action, RbacObject, ResourceType
from rbac.objects import UnknownObject, find_object, find_row, names_of

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class BadQuestion(ValueError):
    """A part of the question cannot be read; `part` is "user", "action" or "object"."""

    def __init__(self, part: str, message: str) -> None:
        super().__init__(message)
        self.part = part


@dataclass(frozen=True)
class Line:
    """One step of the answer: what it is called, `yes`, `no` or `-`, and why."""

    step: str
    verdict: str
    text: str


@dataclass(frozen=True)
class Question:
    """Who asks for what: the user's row and the object as the policy knows it."""

    user: Any
    action: Action
    object: RbacObject


@dataclass(frozen=True)
class Answer:
    """The answer in words; ids of organizations, groups and users are replaced by their names.

    `allowing` names built-in roles any of which would turn a no into a yes.
    """

    question: Question
    allowed: bool
    reason: str
    lines: tuple[Line, ...]
    as_prebuilt: tuple[Line, ...]
    roles: tuple[str, ...]
    allowing: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """`ada may not delete workspace …: nothing grants it.`"""
        verb = "may" if self.allowed else "may not"
        return f"{self.question.user} {verb} {spoken(self.question)}: {self.reason}."


def spoken(question: Question) -> str:
    """`update template 7f…` or `create template in organization …`."""
    obj = question.object
    thing = str(obj.type).replace("_", " ")
    what = f"{thing} {obj.id}" if obj.id else thing
    where = " in any organization" if obj.any_org else f" in {obj.org}" if obj.org and not obj.id else ""
    return f"{str(question.action).replace('_', ' ')} {what}{where}"


def read_question(user: str, action: str, obj: str) -> Question:
    """Find what the three texts name. Raises BadQuestion with the part that is wrong and what to write."""
    row = find_row(ResourceType.USER, user.strip())
    if not isinstance(row, get_user_model()):
        raise BadQuestion("user", f'There is no user "{user}". Write a username or an id.')
    try:
        target = find_object(obj)
    except UnknownObject as error:
        raise BadQuestion("object", str(error)) from None
    legal = LEGAL_ACTIONS[target.type]
    if action not in legal:
        listed = ", ".join(sorted(legal))
        raise BadQuestion("action", f'"{action}" is no action of {target.type}; it has: {listed}.')
    return Question(row, Action(action), target)


def answer(question: Question) -> Answer:
    """Ask the policy, with the roles and groups the user holds now."""
    subject = subject_for(question.user)
    found = explain(subject, question.action, question.object)
    names = names_of(_ids(found))
    reason = sentence(found)
    if not subject.id:
        reason = "a suspended, deleted or system user has no rights"
    return Answer(
        question=question,
        allowed=found.allowed,
        reason=_named(reason, names),
        lines=_lines(found, names),
        as_prebuilt=_lines(found.fallback, names) if found.fallback else (),
        roles=tuple(_named(role.identifier, names) for role in subject.roles),
        allowing=()
        if found.allowed or not subject.id
        else tuple(_named(r, names) for r in roles_that_allow(subject, question.action, question.object)),
    )


def _ids(found: Explanation) -> set[str]:
    ids = {found.object.org, *found.object.acl_groups, *found.subject.orgs}
    return {text for text in ids if text}


def _named(text: str, names: Mapping[str, str]) -> str:
    return _UUID.sub(lambda match: names.get(match[0], match[0]), text)


def _lines(found: Explanation, names: Mapping[str, str]) -> tuple[Line, ...]:
    return tuple(
        Line(str(one.step), {1: "yes", -1: "no", 0: "-"}[one.level], _named(_told(one), names))
        for one in found.findings
    )


def _told(found: Finding) -> str:
    if found.why:
        return found.why
    if found.step is Step.SCOPE:
        return (
            "no token limits it"
            if found.sources == (SCOPE_ALL.role.name,)
            else f"allowed by {found.sources[0]}"
        )
    if found.sources:
        return ", ".join(found.sources)
    return "no role grants or bans it"
