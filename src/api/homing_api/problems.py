"""What is wrong with a request, in the API's words: problem documents with more about it. Pure.

A `Problem` may be raised anywhere below a route; `routes` turns it into the response.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from homing import problems


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong with one field of the payload, or one parameter."""

    field: str
    detail: str


class ProblemDocument(problems.ProblemDocument, frozen=True, kw_only=True, omit_defaults=True):
    """The body of an error."""

    errors: tuple[FieldError, ...] = ()
    command_id: str | None = None
    """Of a command whose fate is not known, or that the problem is about."""


class Problem(Exception):
    """An answer that is not a success."""

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str = "",
        *,
        errors: tuple[FieldError, ...] = (),
        headers: Mapping[str, str] | None = None,
        command_id: str | None = None,
    ) -> None:
        """`kind` names the problem for programs."""
        super().__init__(f"{kind}: {detail}")
        self.headers = dict(headers or {})
        self.document = ProblemDocument.of(
            status, kind, detail, errors=errors, command_id=command_id
        )


def unavailable(
    what: str, *, retry_after_seconds: int = 2, command_id: str | None = None
) -> Problem:
    """503: something that is needed does not answer now."""
    headers = {"Retry-After": str(retry_after_seconds)}
    return Problem(503, "unavailable", what, headers=headers, command_id=command_id)


def expired(command_id: str | None = None) -> Problem:
    """410: it had its outcome, long ago."""
    detail = "The outcome of this command is no longer kept."
    return Problem(410, "expired", detail, command_id=command_id)


def overloaded(status: int, what: str, *, retry_after_seconds: int = 1) -> Problem:
    """429 for one client's excess, 503 for everybody's."""
    headers = {"Retry-After": str(retry_after_seconds)}
    return Problem(status, "overloaded", what, headers=headers)


def invalid(errors: tuple[FieldError, ...], detail: str = "") -> Problem:
    """422: readable, but not acceptable."""
    said = detail or "; ".join(f"{error.field}: {error.detail}" for error in errors)
    return Problem(422, "invalid", said, errors=errors)
