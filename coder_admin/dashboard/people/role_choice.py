"""A choice of roles: what the viewer may not hand out is shown, but cannot be changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django import forms

from coder_admin.organizations.selectors import AssignableRole


class _Boxes(forms.CheckboxSelectMultiple):
    """Check boxes, of which those of other people's business are disabled."""

    fixed: frozenset[str] = frozenset()

    def create_option(self, *arguments: Any, **options: Any) -> dict[str, Any]:
        option: dict[str, Any] = super().create_option(*arguments, **options)
        if option["value"] in self.fixed:
            option["attrs"]["disabled"] = True
        return option


class RolesField(forms.MultipleChoiceField):
    """The roles that are offered; names that are sent without being offered are refused by the service."""

    def __init__(self, offered: Sequence[AssignableRole], label: str = "Roles") -> None:
        boxes = _Boxes()
        boxes.fixed = frozenset(role.name for role in offered if not role.assignable)
        choices = [(role.name, role.display_name or role.name) for role in offered]
        super().__init__(
            label=label,
            required=False,
            choices=choices,
            widget=boxes,
            help_text="Grey roles are not yours to give or take." if boxes.fixed else "",
        )
        # A widget is copied for each form; its options must find the set again.
        self.widget.fixed = boxes.fixed


def chosen_roles(chosen: Iterable[str], held: Iterable[str], offered: Sequence[AssignableRole]) -> list[str]:
    """What was ticked, and what the person holds that the viewer could not touch."""
    touchable = {role.name for role in offered if role.assignable}
    return list(dict.fromkeys([*(name for name in held if name not in touchable), *chosen]))
