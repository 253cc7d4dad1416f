"""Form a round: which waiting tasks of which partitions are applied together. Pure.

One transaction over all partitions that have tasks: the cost per transaction rules. What waits is
shared evenly under a cap, consecutively per partition. Suspected partitions have rounds of their
own, in turn with the others', so that a poisoned one does not stop the rest.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from homing_reactor.intake import Task, Waiting
from homing_reactor.suspicion import Suspicion


class Candidate(Protocol):
    """What a round needs to know of a partition."""

    checkpoint: int
    suspicion: Suspicion
    waiting: deque[Waiting]

    @property
    def open(self) -> bool:
        """Whether it may join a round."""

    def take(self, count: int) -> list[Task]:
        """Hand out the next `count` tasks for a round."""


H = TypeVar("H", bound=Candidate)


class Batch(NamedTuple, Generic[H]):
    """Consecutive tasks of one partition."""

    held: H
    tasks: list[Task]


class Caps(NamedTuple):
    """How much a round may hold."""

    commands: int
    bytes: int


class Formed(NamedTuple, Generic[H]):
    """A round, or how long to wait for one (None: until something comes)."""

    batches: list[Batch[H]]
    wait_seconds: float | None


def form(partitions: Sequence[H], caps: Caps, turn: int, now: float) -> Formed[H]:
    """Take the tasks of the next round out of the partitions."""
    candidates = [held for held in partitions if held.open and held.waiting]
    ready = [held for held in candidates if _due(held) <= now]
    if not ready:
        dues = [_due(held) for held in candidates]
        return Formed([], max(0.0, min(dues) - now) if dues else None)
    suspects = [held for held in ready if held.suspicion.suspected]
    others = [held for held in ready if not held.suspicion.suspected]
    if suspects and (turn % 2 or not others):
        others = _together(suspects)
    start = turn % len(others)
    return Formed(_share(others[start:] + others[:start], caps, now), None)


def _due(held: Candidate) -> float:
    return max(held.waiting[0].due, held.suspicion.not_before)


def _together(suspects: list[H]) -> list[H]:
    """Those of the widest round that is still allowed; fewest tries first."""
    width = max(held.suspicion.width for held in suspects)
    equals = [held for held in suspects if held.suspicion.width == width]
    return sorted(equals, key=lambda held: (held.suspicion.tries, held.checkpoint))[:width]


def _share(partitions: list[H], caps: Caps, now: float) -> list[Batch[H]]:
    chosen = partitions[: caps.commands]
    even = max(1, caps.commands // len(chosen))
    ready = [_ready(held, caps.commands, now) for held in chosen]
    counts = [min(even, count) for count in ready]
    left = caps.commands - sum(counts)
    for index, count in enumerate(ready):
        more = min(left, count - counts[index])
        counts[index] += more
        left -= more
    batches: list[Batch[H]] = []
    room = caps.bytes
    for held, count in zip(chosen, counts, strict=True):
        count, room = _within(held, count, room, first=not batches)
        if count:
            batches.append(Batch(held, held.take(count)))
    return batches


def _ready(held: Candidate, most: int, now: float) -> int:
    """How many of its tasks, from the first on, may be applied now."""
    suspicion = held.suspicion
    most = min(most, suspicion.length)
    count = 0
    for waiting in held.waiting:
        beyond = suspicion.suspected and waiting.task.delivery.sequence > suspicion.until
        if count >= most or waiting.due > now or (beyond and count):
            break
        count += 1
    return count


def _within(held: Candidate, count: int, room: int, *, first: bool) -> tuple[int, int]:
    """As many of `count` as fit; the very first task always does."""
    fits = 0
    for waiting in list(held.waiting)[:count]:
        size = len(waiting.task.delivery.body)
        if size > room and not (first and not fits):
            break
        room -= size
        fits += 1
    return fits, room
