"""One open form: a renderer, the owner it shows, and the numbers of its answers (reference 1.5, 2.3)."""

from __future__ import annotations

from uuid import UUID

from coder_admin.parameters.model import Output, Wire, error
from coder_admin.parameters.owner import Owner
from coder_admin.parameters.owners import OWNER_NOT_FOUND, OwnerNotFoundError, load_owner
from coder_admin.parameters.protocol import FIRST_ID, FormRequest, FrameError, response_id
from coder_admin.parameters.renderer import Renderer
from rbac.model import Subject


class FormSession:
    """Answers the requests of one connection, one after the other. Not for use by two threads at once."""

    def __init__(self, *, renderer: Renderer, viewer: Subject, owner_id: UUID) -> None:
        self._renderer = renderer
        self._viewer = viewer
        self._owner_id = owner_id
        self._owners: dict[UUID, Owner] = {}
        self._last_id = FIRST_ID - 1
        self._shown = Output()

    def first(self) -> Wire:
        """The form as it is before anything was typed; its id is -1."""
        return self.answer(FormRequest(FIRST_ID))

    def answer(self, request: FormRequest) -> Wire:
        """The newest state of the form for one request."""
        if request.owner_id is not None:
            self._owner_id = request.owner_id
        self._shown = self._render(request)
        return self._shown.wire(self._next_id(request.id))

    def complain(self, problem: FrameError) -> Wire:
        """The form as it stands, with what is wrong with the frame on top of it."""
        note = error("The request could not be read", str(problem))
        body = self._shown.wire(self._next_id(self._last_id + 1))
        body["diagnostics"] = [note.wire(), *body["diagnostics"]]
        return body

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
