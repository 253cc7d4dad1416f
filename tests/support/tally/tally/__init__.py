"""A domain for tests: numbers are added to a tally, one after another.

The answer to each says how many were added before it and what the last one was, so that whoever
sent them in order can tell from the answers alone whether one was lost, doubled or overtaken.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Annotated

import msgspec
from msgspec import Meta

from homing import Command, Context, Domain, Event, Query, Rejected, Response, StateTable

UNFORESEEN = "unforeseen"
TallyId = Annotated[str, Meta(min_length=1, max_length=100)]


class Add(Command, type="tally.add", key="tally_id"):
    """Add a number to a tally."""

    tally_id: TallyId
    number: int
    note: str = ""

    def __post_init__(self) -> None:
        if self.note == UNFORESEEN:
            raise KeyError(self.note)  # no error that a struct should raise


class Explode(Command, type="tally.explode", key="tally_id"):
    """Ask for something that the rules break on."""

    tally_id: TallyId


class Added(Event):
    """A number was added."""

    tally_id: str
    number: int


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """What was added so far."""

    tally_id: str
    count: int
    total: int
    last: int


class One(msgspec.Struct, frozen=True):
    """Which tally."""

    tally_id: str


def decide(command: Command, state: Tally | None, context: Context) -> list[Event] | Rejected:
    """Negative numbers are refused; an explosion is the domain's own fault."""
    match command:
        case Add(number=number) if number < 0:
            return Rejected("negative", "Only numbers from 0 on.", fields={"number": "negative"})
        case Add(number=number):
            return [Added(context.key, number)]
    raise RuntimeError("boom")


def evolve(state: Tally | None, event: Added) -> Tally:
    """The tally after the number."""
    count, total = (state.count, state.total) if state else (0, 0)
    return Tally(
        tally_id=event.tally_id, count=count + 1, total=total + event.number, last=event.number
    )


def respond(_command: Command, _events: Sequence[Event], state: Tally) -> Response:
    """The tally as it is now."""
    return Response(data=state)


domain = Domain(
    name="tally",
    commands=(Add, Explode),
    events=(Added,),
    state=Tally,
    table=StateTable(name="tallies", key="tally_id"),
    decide=decide,
    evolve=evolve,
    respond=respond,
    migrations=files("tally") / "migrations",
    queries=(
        Query(
            path="/{tally_id}",
            summary="Read one tally",
            parameters=One,
            sql="SELECT tally_id, count, total, last FROM tallies WHERE tally_id = :tally_id",
            row=Tally,
        ),
    ),
)
