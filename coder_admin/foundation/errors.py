"""The one family of errors that services raise; each knows its HTTP status.

The API turns them into ``{"message", "detail", "validations"}`` (design section 10), pages into a
message at the field or in the shell, commands into one line on standard error.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Validation:
    """What is wrong with one field of the input."""

    field: str
    detail: str


class ServiceError(Exception):
    """A refusal that a person can act on: ``message`` says what, ``detail`` why and what to do."""

    status = 500

    def __init__(self, message: str, *, detail: str = "", validations: Iterable[Validation] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.validations = list(validations)

    def __str__(self) -> str:
        """One line: the message, the detail, then each field with its own sentence."""
        parts = [self.message, self.detail, *(f"{v.field}: {v.detail}" for v in self.validations)]
        return " ".join(part for part in parts if part)


class Invalid(ServiceError):
    """The input cannot be accepted as it is."""

    status = 400


class NotAuthenticated(ServiceError):
    """Nobody is logged in, or the token is not valid."""

    status = 401


class Forbidden(ServiceError):
    """The caller may see the object but not do this to it."""

    status = 403


class NotFound(ServiceError):
    """The object does not exist, or the caller may not know that it does."""

    status = 404

    def __init__(
        self,
        message: str = "Resource not found or you do not have access to this resource",
        *,
        detail: str = "",
        validations: Iterable[Validation] = (),
    ) -> None:
        super().__init__(message, detail=detail, validations=validations)


class NotAcceptable(ServiceError):
    """Something this depends on is not ready yet (a version still importing)."""

    status = 406


class Conflict(ServiceError):
    """The state has changed, a name is taken, or a race was lost."""

    status = 409


class PreconditionFailed(ServiceError):
    """The caller named a state that the object is not in."""

    status = 412


class TooLarge(ServiceError):
    """The body exceeds its limit."""

    status = 413


class ExpectationFailed(ServiceError):
    """The object still has dependants (a user with workspaces)."""

    status = 417


class TooEarly(ServiceError):
    """The version's import has not finished."""

    status = 425


class TooManyRequests(ServiceError):
    """Too many attempts in a short time; the detail says how long to wait."""

    status = 429
