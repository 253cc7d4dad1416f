"""What a history says of time and memory. Pure.

The stall of a partition is the time in which commands of it were accepted and unanswered and none
of them was told; what of it NATS or Postgres was not there for does not count. It is found from the
clients' log alone, and so includes the client's own slowness. A poison command holds up its own
partition for its tries, with no fault at all: a stall has a second figure without them.
"""

from __future__ import annotations

import bisect
import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from torture.books import Books
from torture.history import POISON, Down, Fault, Memory

APART_SECONDS = 10.0
"""Faults that are closer than this overlap: their stalls cannot be told apart."""
POISON_SECONDS = 0.4
"""For which the tries of one poison command hold up its partition, with nothing done to the system:
0.35 s at most in 270 of them."""
AFTERMATH_SECONDS, LATE_SECONDS = 6.0, 2.0
"""After the end of a fault it may still be felt; beyond that nobody waits longer than 2 s."""
WARM_SECONDS = 120.0
LEAST_SECONDS = 60.0
"""Of a process's life beyond the warm time, for its slope to mean something."""


class Stall(NamedTuple):
    """A partition without progress."""

    partition: int
    start: float
    end: float
    seconds: float
    """Without the time in which a server was down."""
    own: float
    """Of them, those that the tries of poison do not explain."""


class Felt(NamedTuple):
    """A fault, and what the clients felt of it."""

    fault: Fault
    in_flight: int
    """Commands that were sent and not told while it lasted; with none it does not count."""
    overlapping: bool
    stall: float
    """The longest one of any partition from the fault to its end and 10 s more, or the next one."""
    own: float
    """The same, without the tries of poison."""


class Latency(NamedTuple):
    """Seconds."""

    number: int
    p50: float
    p99: float
    longest: float


def latency(seconds: Iterable[float]) -> Latency:
    """Summed up; nearest rank."""
    values = sorted(seconds)
    if not values:
        return Latency(0, 0.0, 0.0, 0.0)
    last = len(values) - 1
    return Latency(len(values), values[last // 2], values[int(last * 0.99)], values[-1])


def from_accepted_to_told(books: Books) -> list[float]:
    """For each command with a 202, unless the answer was the outcome itself."""
    return [
        max(0.0, command.told_at - command.accepted.t)
        for command in books.commands.values()
        if command.accepted is not None and command.told_at is not None
        and command.sent.way != "wait"
    ]  # fmt: skip


def from_sent_to_told(books: Books) -> list[float]:
    """For those who wait for the response itself."""
    return [
        command.told_at - command.sent.t
        for command in books.commands.values()
        if command.told_at is not None and command.sent.way == "wait"
    ]


def stalls(books: Books) -> list[Stall]:
    """All of them, of all partitions; most are as short as a round."""
    steps: dict[int, list[tuple[float, int]]] = defaultdict(list)
    poison: dict[int, list[tuple[float, float]]] = defaultdict(list)
    end = books.phase("read") or max((one.t for one in books.phases), default=0.0)
    for command in books.commands.values():
        if command.accepted is None:
            continue
        accepted, told = command.accepted.t, command.told_at
        told = end if told is None else told
        steps[command.accepted.partition] += [(accepted, 1), (max(accepted, told), -1)]
        if command.sent.kind in POISON:
            poison[command.accepted.partition].append((accepted, told))
    found = []
    for partition, moves in steps.items():
        for since, until in _standing(moves):
            seconds = until - since - _down(books.downs, since, until)
            own = max(0.0, seconds - _tries(poison[partition], since, until))
            found.append(Stall(partition, since, until, seconds, own))
    return found


def _tries(poison: Sequence[tuple[float, float]], start: float, end: float) -> float:
    """How long the tries of poison may have taken in a time: none before it was accepted."""
    here = [since for since, until in poison if since < end and until > start]
    return min(POISON_SECONDS * len(here), end - max(start, min(here))) if here else 0.0


def _standing(moves: list[tuple[float, int]]) -> Iterable[tuple[float, float]]:
    open_commands, since = 0, 0.0
    for at, change in sorted(moves, key=lambda move: (move[0], -move[1])):
        if change > 0:
            since = at if open_commands == 0 else since
        elif at > since:
            yield since, at
            since = at
        open_commands += change


def _down(downs: Sequence[Down], start: float, end: float) -> float:
    """How much of the time a server was not there."""
    total, covered = 0.0, start
    for down in sorted(downs, key=lambda one: one.t):
        total += max(0.0, min(end, down.until) - max(covered, down.t))
        covered = max(covered, min(end, down.until))
    return total


def felt(books: Books, all_stalls: Sequence[Stall]) -> list[Felt]:
    """What the clients felt of each fault, in the order of time."""
    faults = sorted(books.faults, key=lambda fault: fault.t)
    waiting = _InFlight(books)
    starts = sorted(all_stalls, key=lambda stall: stall.start)
    result: list[Felt] = []
    for index, fault in enumerate(faults):
        before = max((one.until for one in faults[:index]), default=float("-inf"))
        after = faults[index + 1].t if index + 1 < len(faults) else float("inf")
        until = min(fault.until + APART_SECONDS, max(after, fault.until))
        overlapping = fault.t - before < APART_SECONDS or after - fault.until < APART_SECONDS
        here = [one for one in starts if one.start < until and one.end > fault.t]
        longest = max((one.seconds for one in here), default=0.0)
        own = max((one.own for one in here), default=0.0)
        in_flight = waiting.during(fault.t, fault.until)
        result.append(Felt(fault, in_flight, overlapping, longest, own))
    return result


class _InFlight:
    """How many commands were sent and not told in a time."""

    def __init__(self, books: Books) -> None:
        commands = books.commands.values()
        self._sent = sorted(command.sent.t for command in commands)
        self._told = sorted(command.told_at for command in commands if command.told_at is not None)

    def during(self, start: float, end: float) -> int:
        """The number."""
        told = bisect.bisect_right(self._told, start)
        return bisect.bisect_right(self._sent, end) - told


class Measured(NamedTuple):
    """What a history says of time and memory."""

    faults: list[Felt]
    slopes: list[Slope]
    late: list[Late]


def measure(books: Books) -> Measured:
    """All of it."""
    return Measured(felt(books, stalls(books)), slopes(books.memory), late(books))


class Late(NamedTuple):
    """A command that was told late, though no fault was near."""

    accepted: float
    seconds: float


def late(books: Books) -> list[Late]:
    """All of them, in the order of time; what is never told is judged elsewhere."""
    troubled = _Troubled(books.faults)
    return sorted(
        Late(at, command.told_at - at)
        for command in books.commands.values()
        if command.accepted is not None and command.told_at is not None
        for at in (command.accepted.t,)
        if command.told_at - at > LATE_SECONDS and not troubled.between(at, at + LATE_SECONDS)
    )


class _Troubled:
    """The times in which a fault may be felt."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        ordered = sorted(faults, key=lambda fault: fault.t)
        self._starts = [fault.t for fault in ordered]
        ends = (fault.until + AFTERMATH_SECONDS for fault in ordered)
        self._ends = list(itertools.accumulate(ends, max))

    def between(self, start: float, end: float) -> bool:
        """Whether there is any such time."""
        begun = bisect.bisect_right(self._starts, end)
        return begun > 0 and self._ends[begun - 1] > start


class Slope(NamedTuple):
    """How the memory of a process grew after it was warm."""

    process: str
    minutes: float
    first: float
    """MiB when it was warm."""
    last: float
    """MiB at the end."""

    @property
    def mib_a_minute(self) -> float:
        """From end to end."""
        return (self.last - self.first) / self.minutes


def slopes(memory: Sequence[Memory]) -> list[Slope]:
    """Of the processes that lived long enough."""
    lives: dict[tuple[str, int], list[Memory]] = defaultdict(list)
    for sample in memory:
        lives[sample.process, sample.pid].append(sample)
    result = []
    for (process, _), samples in lives.items():
        warm = [one for one in samples if one.t >= samples[0].t + WARM_SECONDS]
        if len(warm) < 2 or warm[-1].t - warm[0].t < LEAST_SECONDS:
            continue
        minutes = (warm[-1].t - warm[0].t) / 60
        result.append(Slope(process, minutes, warm[0].mib, warm[-1].mib))
    return result
