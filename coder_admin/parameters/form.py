"""One open form: a renderer, the owner it shows, and the numbers of its answers (reference 1.5, 2.3)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from coder_admin.parameters.model import Note, Output, PreviewParameter, error
from coder_admin.parameters.owner import Owner
from coder_admin.parameters.owners import OWNER_NOT_FOUND, OwnerNotFoundError, load_owner
from coder_admin.parameters.protocol import FIRST_ID, FormRequest, FrameError, response_id
from coder_admin.parameters.renderer import Renderer
from rbac.model import Subject

FIRST = FormRequest(FIRST_ID)


def _dumped(wire: Any) -> str:
    return json.dumps(wire, ensure_ascii=False, separators=(",", ":"))


class FormSession:
    """Answers the requests of one connection, one after the other. Not for use by two threads at once."""

    def __init__(self, *, renderer: Renderer, viewer: Subject, owner_id: UUID) -> None:
        self._renderer = renderer
        self._viewer = viewer
        self._owner_id = owner_id
        self._owners: dict[UUID, Owner] = {}
        self._last_id = FIRST_ID - 1
        self._shown = Output()
        self._texts: dict[str, tuple[PreviewParameter, str]] = {}

    def first(self) -> str:
        """The form as it is before anything was typed; its id is -1."""
        return self.answer(FIRST)

    def answer(self, request: FormRequest) -> str:
        """The newest state of the form for one request, as a frame."""
        if request.owner_id is not None:
            self._owner_id = request.owner_id
        self._shown = self._render(request)
        return self._frame(self._next_id(request.id), self._shown.diagnostics)

    def complain(self, problem: FrameError) -> str:
        """The form as it stands, with what is wrong with the frame on top of it."""
        note = error("The request could not be read", str(problem))
        return self._frame(self._next_id(self._last_id + 1), (note, *self._shown.diagnostics))

    def seen_by(self, viewer: Subject) -> None:
        """The viewer as they are now; with other rights than before, owners are looked up again."""
        if viewer != self._viewer:
            self._viewer, self._owners = viewer, {}

    def needs_database(self, request: FormRequest) -> bool:
        """Whether answering looks somebody up."""
        return not self._renderer.is_static and (request.owner_id or self._owner_id) not in self._owners

    def _frame(self, response_id: int, diagnostics: Iterable[Note]) -> str:
        """`Output.wire` as text. Parameters that are the very ones of the last frame keep their text: of
        many, a keystroke changes few."""
        notes = _dumped([note.wire() for note in diagnostics])
        parameters = ",".join(self._text(parameter) for parameter in self._shown.parameters)
        return f'{{"id":{response_id},"diagnostics":{notes},"parameters":[{parameters}]}}'

    def _text(self, parameter: PreviewParameter) -> str:
        known = self._texts.get(parameter.name)
        if known is not None and known[0] is parameter:
            return known[1]
        text = _dumped(parameter.wire())
        if len(self._texts) > 2 * len(self._shown.parameters):
            self._texts.clear()
        self._texts[parameter.name] = (parameter, text)
        return text

    def close(self) -> None:
        """Give the files back; closing twice is harmless."""
        self._renderer.close()

    def _next_id(self, requested: int) -> int:
        self._last_id = response_id(self._last_id, requested)
        return self._last_id

    def _render(self, request: FormRequest) -> Output:
        if self._renderer.is_static:
            return self._renderer.render(None, request.inputs)
        try:
            return self._renderer.render(self._owner(), request.inputs)
        except OwnerNotFoundError:
            return Output(diagnostics=(OWNER_NOT_FOUND,))

    def _owner(self) -> Owner:
        """The owner, loaded once; a failure is not remembered, so that a new user is found at once."""
        known = self._owners.get(self._owner_id)
        if known is None:
            known = load_owner(
                viewer=self._viewer, user_id=self._owner_id, organization_id=self._renderer.organization_id
            )
            self._owners = {self._owner_id: known}
        return known
