"""Step 9: what became of a command, as an HTTP response. Pure but for the clock in `sent_at`.

A command that succeeded is a 200, one that was rejected a 409, one that failed a 500; one whose
outcome is not there in time a 202, which is as good: the outcome will come.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from homing.outcome import Outcome, Position, sent
from homing.problems import CONTENT_TYPE
from homing_api.problems import FieldError, ProblemDocument
from homing_api.wrapping import Wrapped

JSON = "application/json"


class Answer(NamedTuple):
    """A response before it is one."""

    status: int
    content_type: str
    body: bytes
    headers: dict[str, str]


class Links(msgspec.Struct, frozen=True):
    """Where to ask, and where to listen."""

    status: str
    events: str


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """The command is stored and ends in an outcome; this is how to learn of it."""

    command_id: str
    type: str
    key: str
    status: str = "pending"
    position: Position
    links: Links


class VerdictDocument(ProblemDocument, frozen=True, kw_only=True):
    """A command that was rejected or failed: a problem, with the outcome inside."""

    outcome: Outcome


def accepted(wrapped: Wrapped, position: Position) -> Accepted:
    """What a 202 says."""
    links = links_of(wrapped.command_id, position.sequence)
    return Accepted(
        command_id=wrapped.command_id,
        type=wrapped.type,
        key=wrapped.key,
        position=position,
        links=links,
    )


def links_of(command_id: str, sequence: int) -> Links:
    """The links of a command whose place in the stream is known."""
    here = f"/api/commands/{command_id}"
    return Links(status=f"{here}?seq={sequence}", events=f"{here}/events")


def pending_answer(said: Accepted) -> Answer:
    """202, with where to look and where to listen (`monitor`: RFC 5989)."""
    headers = {
        "Location": said.links.status,
        "Link": f'<{said.links.events}>; rel="monitor"',
    }
    return Answer(202, JSON, msgspec.json.encode(said), headers)


def outcome_answer(outcome: Outcome) -> Answer:
    """The verdict, as the answer to the command itself."""
    told, status = sent(outcome), outcome_status(outcome)
    if status == 200:
        return Answer(200, JSON, msgspec.json.encode(told), {})
    return Answer(status, CONTENT_TYPE, msgspec.json.encode(_problem(told, status)), {})


def outcome_status(outcome: Outcome) -> int:
    """The HTTP status of a verdict."""
    return {"succeeded": 200, "rejected": 409}.get(outcome.status, 500)


def _problem(outcome: Outcome, status: int) -> VerdictDocument:
    error = outcome.error
    fields = error.fields if error else {}
    return VerdictDocument(
        type=f"/problems/{outcome.status}",
        title=error.title if error else outcome.status.capitalize(),
        status=status,
        detail=error.detail if error else "",
        errors=tuple(FieldError(name, said) for name, said in fields.items()),
        outcome=outcome,
    )
