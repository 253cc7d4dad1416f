"""What the interface answers, as far as a client of the torture run looks into it."""

from __future__ import annotations

from typing import Any

import msgspec

from torture.history import Status


class Position(msgspec.Struct, frozen=True):
    """Where a command lies."""

    partition: int
    sequence: int


class Accepted(msgspec.Struct, frozen=True):
    """The body of a 202."""

    command_id: str
    position: Position


class Error(msgspec.Struct, frozen=True):
    """Why not."""

    type: str


class Outcome(msgspec.Struct, frozen=True):
    """A verdict."""

    command_id: str
    key: str
    status: Status
    position: Position
    data: msgspec.Raw = msgspec.Raw(b"null")
    error: Error | None = None


class Verdict(msgspec.Struct, frozen=True):
    """A problem that may hold an outcome, as those of a 409 and a 500 do."""

    outcome: Outcome | None = None


class Item(msgspec.Struct, frozen=True):
    """One answer of a batch."""

    status: int
    accepted: Accepted | None = None
    outcome: Outcome | None = None
    problem: msgspec.Raw = msgspec.Raw(b"")


class Answer(msgspec.Struct, frozen=True):
    """What became of one submit: a promise, an outcome, or neither, and what was said then."""

    status: int
    accepted: Accepted | None = None
    outcome: Outcome | None = None
    said: str = ""

    @property
    def again(self) -> bool:
        """Whether it is to be sent again: the interface says so, or something broke."""
        return self.status in (429, 502, 503, 504) and not self.known

    @property
    def known(self) -> bool:
        """Whether it is a promise or more."""
        return self.accepted is not None or self.outcome is not None


class Pending(msgspec.Struct, frozen=True):
    """A status that is no outcome."""

    status: str


class Page(msgspec.Struct, frozen=True):
    """A page of a list."""

    items: list[msgspec.Raw]
    next: str | None


class Count(msgspec.Struct, frozen=True):
    """Of a chain."""

    count: int


items: msgspec.json.Decoder[list[Item]] = msgspec.json.Decoder(list[Item])
outcome: msgspec.json.Decoder[Outcome] = msgspec.json.Decoder(Outcome)
page: msgspec.json.Decoder[Page] = msgspec.json.Decoder(Page)
count: msgspec.json.Decoder[Count] = msgspec.json.Decoder(Count)
_accepted: msgspec.json.Decoder[Accepted] = msgspec.json.Decoder(Accepted)
_verdict: msgspec.json.Decoder[Verdict] = msgspec.json.Decoder(Verdict)


def of_submit(status: int, body: bytes) -> Answer:
    """The answer to a single submit."""
    try:
        if status == 202:
            return Answer(status, accepted=_accepted.decode(body))
        if status == 200:
            return Answer(status, outcome=outcome.decode(body))
        if found := _verdict.decode(body).outcome:
            return Answer(status, outcome=found)
    except msgspec.DecodeError as error:
        return Answer(status, said=f"{status}: {error}")
    return Answer(status, said=f"{status}: {_text(body)}")


def of_item(item: Item) -> Answer:
    """The answer to one command of a batch."""
    said = "" if item.accepted or item.outcome else f"{item.status}: {_text(bytes(item.problem))}"
    return Answer(item.status, item.accepted, item.outcome, said)


def _text(body: Any) -> str:
    return bytes(body).decode(errors="replace")[:300]
