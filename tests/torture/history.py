"""The history of a run: an append-only log of JSON lines, and the only thing that is judged.

Clients write what they sent, what they were answered and what they were told, each at the moment
it happened to them; the harness writes what it did to the system. Nothing in it comes from Homing's
tables. Times are monotonic seconds since the start of the run.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

ENDED = "ended by itself"
"""The kind of a fault that nobody has planned."""
Kind = Literal["link", "spend", "take", "explode", "overflow"]
POISON: tuple[Kind, ...] = ("explode", "overflow")
"""Those that no reactor can apply."""
Way = Literal["batch", "single", "wait", "events"]
"""How a command is sent, and with the last two how its sender waits for it."""
By = Literal["answer", "events", "stream", "repeat", "asked"]
"""What told of an outcome: the response of the submit or of a repeat, a stream, or the status."""
Status = Literal["succeeded", "rejected", "failed"]


class Entry(msgspec.Struct, frozen=True, tag_field="e", omit_defaults=True, kw_only=True):
    """Something that happened."""

    t: float


class Sent(Entry, frozen=True, tag="sent"):
    """A command left its sender for the first time; (key, number) names it."""

    owner: int
    key: str
    number: int
    kind: Kind
    way: Way
    name: str = ""
    """What a `take` wants."""


class Accepted(Entry, frozen=True, tag="accepted"):
    """The sender has its answer: from now on the command is promised."""

    key: str
    number: int
    id: str
    partition: int
    tries: int = 1


class Told(Entry, frozen=True, tag="told"):
    """Its owner was told an outcome."""

    owner: int
    id: str
    by: By
    status: Status
    key: str
    sequence: int
    error: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")


class Repeated(Entry, frozen=True, tag="repeated"):
    """A command was sent once more, long after it was accepted, and this was answered.

    Or it was stored once more, by a publisher.
    """

    key: str
    number: int
    id: str
    by: Literal["client", "publisher"] = "client"


class Asked(Entry, frozen=True, tag="asked"):
    """The status of a command was asked for, and it was no outcome."""

    key: str
    number: int
    answer: str


class Read(Entry, frozen=True, tag="read"):
    """After an outcome was told the read model was asked for."""

    key: str
    told_count: int
    seen_count: int


class Refused(Entry, frozen=True, tag="refused"):
    """An answer that is neither a promise nor a reason to try again."""

    key: str
    number: int
    answer: str


class Trouble(Entry, frozen=True, tag="trouble"):
    """A request failed and is sent again."""

    why: str
    commands: int


class Reset(Entry, frozen=True, tag="reset"):
    """A stream said that its cursor is not known any more."""

    owner: int


class Fault(Entry, frozen=True, tag="fault"):
    """Something was done to the system, from `t` to `until`."""

    kind: str
    whom: str
    until: float
    note: str = ""


class Down(Entry, frozen=True, tag="down"):
    """A server was not there, from `t` to `until`."""

    server: str
    until: float


class Memory(Entry, frozen=True, tag="memory"):
    """How much memory a process has."""

    process: str
    pid: int
    mib: float


class Lag(Entry, frozen=True, tag="lag"):
    """The clients themselves came late by so much: what they measured then is too long."""

    seconds: float


class Final(Entry, frozen=True, tag="final"):
    """A row of the read model at the end, by a query over HTTP."""

    row: msgspec.Raw


class Begun(Entry, frozen=True, tag="begun"):
    """What the run was made with, as far as the judgement depends on it."""

    lease: float
    """Seconds, of the reactors."""


class Phase(Entry, frozen=True, tag="phase"):
    """A part of the run begins."""

    name: str
    note: str = ""


AnyEntry = (
    Sent | Accepted | Told | Repeated | Asked | Read | Refused | Trouble | Reset | Fault | Down
    | Memory | Lag | Final | Begun | Phase
)  # fmt: skip
_decoder: msgspec.json.Decoder[AnyEntry] = msgspec.json.Decoder(AnyEntry)


class Log:
    """Writes the history."""

    def __init__(self, path: Path) -> None:
        self.began = time.monotonic()
        self._file = path.open("ab", buffering=256 * 1024)
        self._encoder = msgspec.json.Encoder()

    @property
    def now(self) -> float:
        """Seconds since the start."""
        return round(time.monotonic() - self.began, 4)

    def write(self, entry: Entry) -> None:
        """Append an entry."""
        self._file.write(self._encoder.encode(entry) + b"\n")

    def flush(self) -> None:
        """Hand what was written to the kernel."""
        self._file.flush()

    def close(self) -> None:
        """Nothing is written any more."""
        self._file.close()


def read(path: Path) -> Iterator[Any]:
    """The entries of a history, in the order in which they were written."""
    with path.open("rb") as file:
        for line in file:
            yield _decoder.decode(line)
