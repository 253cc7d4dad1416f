"""Form a round: which waiting tasks of which partitions are applied together. Pure.

One transaction over all partitions that have tasks: the cost per transaction rules. What waits is
shared evenly under a cap, consecutively per partition. What would hold the others up has rounds of
its own: suspected partitions in turn with the others' until one stands alone, and those that stand
alone, are slow, or may end their process, aside, one at a time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Generic, NamedTuple, Protocol, TypeVar

from homing_reactor.intake import Task, Waiting
from homing_reactor.suspicion import Suspicion

ASIDE_COMMANDS = 50


class Candidate(Protocol):
    """What a round needs to know of a partition."""

    checkpoint: int
    suspicion: Suspicion
    waiting: deque[Waiting]
    served_at: float
    """Monotonic; when it last had a round aside."""

    @property
    def open(self) -> bool:
        """Whether it may join a round."""

    @property
    def deadly(self) -> bool:
        """Whether one of its commands may have ended a process."""

    def take(self, count: int) -> list[Task]:
        """Hand out the next `count` tasks for a round."""


H = TypeVar("H", bound=Candidate)
Slow = Callable[[str], bool]
"""Whether commands of a type take long."""


class Thinking(NamedTuple):
    """How long the domain's functions may take in one round."""

    seconds: float
    cost: Callable[[str], float]
    """The seconds that a command of a type is known to take; 0 if nothing is."""

    def able(self, waiting: Iterable[Waiting], most: int) -> int:
        """How many of them fit, from the first on: `most` at most, one at least."""
        spent, count = 0.0, 0
        for task, _ in islice(waiting, most):
            spent += self.cost(task.envelope.type) if task.envelope else 0.0
            if count and spent > self.seconds:
                break
            count += 1
        return max(1, count)


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


def form_merged(
    partitions: Sequence[H], caps: Caps, turn: int, now: float, slow: Slow
) -> Formed[H]:
    """The next round over all partitions that hold nobody up."""
    ready, wait = _ready([held for held in partitions if not _aside(held, slow)], now)
    if not ready:
        return Formed([], wait)
    suspects = [held for held in ready if held.suspicion.suspected]
    others = [held for held in ready if not held.suspicion.suspected]
    if suspects and (turn % 2 or not others):
        return Formed(_share(_widest(suspects), caps, now, slow), None)
    start = turn % len(others)
    return Formed(_share(others[start:] + others[:start], caps, now, slow), None)


def form_aside(
    partitions: Sequence[H], caps: Caps, now: float, slow: Slow, thinking: Thinking
) -> Formed[H]:
    """The next round of one partition that would hold the others up.

    Fewest tries first, then who was not served for longest: none waits for another's tries. No more
    commands than can be thought of in time: a round that takes too long is thrown away.
    """
    ready, wait = _ready([held for held in partitions if _aside(held, slow)], now)
    if not ready:
        return Formed([], wait)
    held = min(ready, key=lambda one: (one.suspicion.tries, one.served_at))
    most = 1 if held.deadly else min(caps.commands, ASIDE_COMMANDS)
    most = thinking.able(held.waiting, most)
    held.served_at = now
    return Formed(_share([held], Caps(most, caps.bytes), now, _none), None)


def _none(_command_type: str) -> bool:
    return False


def _aside(held: Candidate, slow: Slow) -> bool:
    """Whether its next command would hold up, or take down, the others of a round."""
    if not held.waiting:
        return False
    return held.deadly or held.suspicion.width == 1 or _is_slow(held.waiting[0].task, slow)


def _is_slow(task: Task, slow: Slow) -> bool:
    return task.envelope is not None and slow(task.envelope.type)


def _ready(candidates: Sequence[H], now: float) -> tuple[list[H], float | None]:
    """Those that can go now; if there is none, how long until one can."""
    open_ = [held for held in candidates if held.open and held.waiting]
    ready = [held for held in open_ if _due(held) <= now]
    if ready or not open_:
        return ready, None
    return [], max(0.0, min(_due(held) for held in open_) - now)


def _due(held: Candidate) -> float:
    return max(held.waiting[0].due, held.suspicion.not_before)


def _widest(suspects: list[H]) -> list[H]:
    """Those of the widest round that is still allowed."""
    width = max(held.suspicion.width for held in suspects)
    equals = [held for held in suspects if held.suspicion.width == width]
    return sorted(equals, key=lambda held: held.checkpoint)[:width]


def _share(partitions: list[H], caps: Caps, now: float, slow: Slow) -> list[Batch[H]]:
    chosen = partitions[: caps.commands]
    even = max(1, caps.commands // len(chosen))
    able = [_able(held, caps.commands, now, slow) for held in chosen]
    counts = [min(even, count) for count in able]
    left = caps.commands - sum(counts)
    for index, count in enumerate(able):
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


def _able(held: Candidate, most: int, now: float, slow: Slow) -> int:
    """How many of its tasks, from the first on, may be applied now."""
    suspicion = held.suspicion
    most = min(most, suspicion.length)
    count = 0
    for task, due in held.waiting:
        beyond = suspicion.suspected and task.delivery.sequence > suspicion.until
        if count >= most or due > now or (count and (beyond or _is_slow(task, slow))):
            break
        count += 1
    return count


def _within(held: Candidate, count: int, room: int, *, first: bool) -> tuple[int, int]:
    """As many of `count` as fit; the very first task always does."""
    fits = 0
    for task, _ in list(held.waiting)[:count]:
        size = len(task.delivery.body)
        if size > room and not (first and not fits):
            break
        room -= size
        fits += 1
    return fits, room
