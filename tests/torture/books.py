"""The entries of a history, put together by command. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from torture.history import (
    Accepted,
    Asked,
    Begun,
    Down,
    Fault,
    Final,
    Lag,
    Memory,
    Phase,
    Read,
    Refused,
    Repeated,
    Reset,
    Sent,
    Told,
    Trouble,
)

Name = tuple[str, int]
"""A command: its key, and its place among the commands of the key."""


@dataclass(slots=True)
class Command:
    """What is known of one command."""

    sent: Sent
    accepted: Accepted | None = None
    told: list[Told] = field(default_factory=list)
    repeats: list[Repeated] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)

    @property
    def told_at(self) -> float | None:
        """When its owner knew first, without having asked."""
        return min((one.t for one in self.told if one.by != "asked"), default=None)


@dataclass
class Books:
    """A history, by what it speaks of."""

    commands: dict[Name, Command] = field(default_factory=dict)
    """In the order of their sending."""
    strangers: list[Told] = field(default_factory=list)
    """Told of what was never accepted, or to another owner."""
    faults: list[Fault] = field(default_factory=list)
    downs: list[Down] = field(default_factory=list)
    memory: list[Memory] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    resets: list[Reset] = field(default_factory=list)
    lags: list[Lag] = field(default_factory=list)
    finals: list[Final] = field(default_factory=list)
    phases: list[Phase] = field(default_factory=list)
    begun: list[Begun] = field(default_factory=list)
    """One, at the beginning."""

    def by_key(self) -> dict[str, list[Command]]:
        """The commands of each key, in their sender's order."""
        keys: dict[str, list[Command]] = defaultdict(list)
        for command in self.commands.values():
            keys[command.sent.key].append(command)
        return keys

    @property
    def lease(self) -> float:
        """Seconds, of the reactors."""
        return self.begun[0].lease if self.begun else 3.0

    def phase(self, name: str) -> float | None:
        """When it began."""
        return next((one.t for one in self.phases if one.name == name), None)


def gather(entries: Iterable[Any]) -> Books:
    """Put a history together. An outcome may be told before the 202 has arrived."""
    books = Books()
    told: list[Told] = []
    ids: dict[str, Command] = {}
    lists: dict[type[Any], list[Any]] = {
        Told: told, Fault: books.faults, Down: books.downs, Memory: books.memory,
        Read: books.reads, Refused: books.refused, Trouble: books.troubles, Reset: books.resets,
        Lag: books.lags, Final: books.finals, Begun: books.begun, Phase: books.phases,
    }  # fmt: skip
    for entry in entries:
        match entry:
            case Sent():
                books.commands[entry.key, entry.number] = Command(entry)
            case Accepted():
                command = books.commands[entry.key, entry.number]
                command.accepted = entry
                ids[entry.id] = command
            case Repeated():
                books.commands[entry.key, entry.number].repeats.append(entry)
            case Asked():
                books.commands[entry.key, entry.number].asked.append(entry)
            case _:
                lists[type(entry)].append(entry)
    for one in told:
        mine = ids.get(one.id)
        if mine is None or mine.sent.owner != one.owner:
            books.strangers.append(one)
        else:
            mine.told.append(one)
    return books
