"""The lane, with an applier that refuses what cannot be foreseen; no servers."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from homing.broker import Delivery
from homing.ledger import ClaimsUnforeseen
from homing.outcome import now
from homing_reactor.applying import Applied
from homing_reactor.deciding import Plan
from homing_reactor.forming import Batch, Caps
from homing_reactor.gate import Gate
from homing_reactor.intake import Task, Waiting
from homing_reactor.lane import Lane, Shared
from homing_reactor.pace import Costs, Pace
from homing_reactor.suspicion import Suspicion


@dataclass
class Partition:
    """A partition in hand, with nothing behind it."""

    partition: int
    waiting: deque[Waiting]
    epoch: int = 1
    checkpoint: int = 0
    open: bool = True
    open_after_round: bool = True
    deadly: bool = False
    served_at: float = 0.0
    suspicion: Suspicion = field(default_factory=Suspicion)

    def take(self, count: int) -> list[Task]:
        """The next ones."""
        return [self.waiting.popleft().task for _ in range(count)]

    def put_back(self, tasks: list[Task]) -> None:
        """They were not applied."""
        self.waiting.extendleft(Waiting(task, 0.0) for task in reversed(tasks))

    def applied(self, last: Task) -> None:
        """Everything up to it is."""
        self.checkpoint = last.delivery.sequence
        self.suspicion.applied(self.checkpoint)

    async def round_over(self) -> None:
        """It is free again."""


def partition(number: int, count: int) -> Partition:
    """With so many commands that wait."""
    deliveries = [Delivery(n, n, 1, "s", {}, b"", now(), now(), "r") for n in range(1, count + 1)]
    return Partition(number, deque(Waiting(Task(made, None), 0.0) for made in deliveries))


class Refusing:
    """An applier of which partition 0 gets on with one command at a time only."""

    def __init__(self, until: int, done: asyncio.Event) -> None:
        self.rounds: list[dict[int, int]] = []
        self._left, self._done = until, done

    async def apply(self, batches: Sequence[Batch[Any]], condemned: str | None) -> Applied:
        """Note the size of the round."""
        assert condemned is None
        sizes = {batch.held.partition: len(batch.tasks) for batch in batches}
        self.rounds.append(sizes)
        if sizes.get(0, 0) > 1:
            raise ClaimsUnforeseen({0})
        self._left -= sum(sizes.values())
        if not self._left:
            self._done.set()
        return Applied(set(sizes), Plan())


async def test_a_partition_whose_claims_cannot_be_foreseen_goes_on_alone_until_it_is_past() -> None:
    """The others of its round are not held up, and are not suspected."""
    done = asyncio.Event()
    applier: Any = Refusing(13, done)
    held: list[Any] = [partition(0, 8), partition(1, 5)]

    async def nothing(*_: Any) -> None:
        return None

    announcer: Any = SimpleNamespace(outcomes=nothing, applied=nothing)
    lease: Any = SimpleNamespace(left=1.0)
    records: Any = SimpleNamespace()
    lanes: list[Lane] = []

    def kick() -> None:
        for lane in lanes:
            lane.kick()

    shared = Shared(lambda: held, kick, announcer, records, lease, Costs(), Gate(), 2.0)
    pace = Pace(Caps(100, 1 << 20))
    lanes += [Lane(applier, shared, pace, aside=aside) for aside in (False, True)]
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        for lane in lanes:
            group.create_task(lane.run(done))
        await done.wait()
        kick()
    assert applier.rounds[0] == {0: 8, 1: 5}
    assert {1: 5} in applier.rounds[1:3]
    assert [sizes for sizes in applier.rounds if sizes == {0: 1}] == [{0: 1}] * 8
    assert not held[0].suspicion.suspected
