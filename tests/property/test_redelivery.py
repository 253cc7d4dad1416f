"""Whatever a consumer brings, in whatever order: each command is applied once, and in order.

The partition is the reactor's own; its consumer is one that loses, repeats and starts over as the
examples say. A round is committed or put back.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.broker import CommandSource, Deliver, Delivery, Pulling
from homing.registry import load
from homing_reactor.held import Held, Surroundings
from homing_reactor.intake import Intake, Task
from homing_reactor.lease import Lease

MESSAGES = 12
START = datetime(2026, 1, 1, tzinfo=UTC)
REGISTRY = load()
# What is usual is named more often, so that something happens between the faults.
KINDS = ("next", "next", "next", "commit", "commit", "fail", "again", "lost", "doubt")
ACTIONS = st.tuples(st.sampled_from(KINDS), st.integers(1, MESSAGES))


class Consumer(Pulling):
    """A durable consumer of one partition, with faults on demand."""

    def __init__(self, sequences: list[int], deliver: Deliver) -> None:
        self._sequences = sequences
        self._deliver = deliver
        self._open = False
        self._count = 0
        self._next = 0

    async def reset(self, after: int) -> None:
        """Begin behind a sequence."""
        self._open, self._count = True, 0
        self._next = sum(sequence <= after for sequence in self._sequences)

    async def request(self, waiting: int, waiting_bytes: int, lease_left: float) -> None:
        """The examples say when it brings something."""

    async def close(self) -> None:
        """Bring nothing any more: what is on its way ends at an old inbox."""
        self._open = False

    async def next(self, *, arrives: bool = True) -> None:
        """The next message; it may get lost, or be delivered to another."""
        if not self._open or self._next >= len(self._sequences):
            return
        index, self._next = self._next, self._next + 1
        self._count += 1
        if arrives:
            await self._deliver(self._delivery(index, 1))

    async def again(self, index: int) -> None:
        """One that was delivered before."""
        if self._open and self._next:
            self._count += 1
            await self._deliver(self._delivery(index % self._next, 2))

    def _delivery(self, index: int, attempt: int) -> Delivery:
        sequence = self._sequences[index]
        at = START + timedelta(seconds=sequence)
        return Delivery(sequence, self._count, attempt, "s", {}, b"x", at, at, str(sequence))


class Source(CommandSource):
    """A stream whose messages are where the checkpoint says."""

    connected = True

    def __init__(self, sequences: list[int]) -> None:
        self._sequences = sequences
        self.consumer: Consumer

    def pull(self, _partition: int, deliver: Deliver) -> Pulling:
        """The one consumer."""
        self.consumer = Consumer(self._sequences, deliver)
        return self.consumer

    async def read_message(self, sequence: int) -> dict[str, Any] | None:
        """Its time; nobody asks for more."""
        return {"time": START + timedelta(seconds=sequence)}

    async def last_sequence(self) -> int:
        """The last one."""
        return self._sequences[-1]


class Partition:
    """A partition in hand, and what was applied of it."""

    def __init__(self, sequences: list[int], intake: Intake | None = None) -> None:
        self.source = Source(sequences)
        lease = Lease(3600.0)
        lease.renewed(time.monotonic())
        intake = intake or Intake(REGISTRY, 1, demo=False)
        around = Surroundings(self.source, intake, lease, lambda: None)
        self.held = Held(0, 1, 0, None, around)
        self.applied: list[int] = []

    async def act(self, action: str, argument: int) -> None:
        """Let something happen."""
        consumer = self.source.consumer
        match action:
            case "next":
                await consumer.next()
            case "lost":
                await consumer.next(arrives=False)
            case "again":
                await consumer.again(argument)
            case "doubt":
                self.held.mark_unclean("reconnected")
            case _:
                await self.round(argument, committed=action == "commit")
        await settled()

    async def round(self, most: int, *, committed: bool) -> None:
        """A round of what waits."""
        if not (self.held.open and self.held.waiting):
            return
        tasks = self.held.take(min(most, len(self.held.waiting)))
        await settled()
        if committed:
            self.applied += [task.delivery.sequence for task in tasks]
            self.held.applied(tasks[-1])
        else:
            self.held.put_back(tasks)
        await self.held.round_over()


async def settled() -> None:
    """Let the partition's own task do what it can."""
    for _ in range(5):
        await asyncio.sleep(0)


@settings(max_examples=200)
@given(
    gaps=st.lists(st.integers(1, 3), min_size=MESSAGES, max_size=MESSAGES),
    actions=st.lists(ACTIONS, min_size=20, max_size=60),
)
async def test_each_is_applied_once_and_in_order(
    gaps: list[int], actions: list[tuple[str, int]]
) -> None:
    """At any time it is a beginning of the stream; in the end, all of it."""
    sequences = [sum(gaps[: index + 1]) for index in range(MESSAGES)]
    one = Partition(sequences)
    running = asyncio.create_task(one.held.run())
    await settled()
    try:
        for action, argument in actions:
            await one.act(action, argument)
            assert one.applied == sequences[: len(one.applied)]
        one.held.mark_unclean("the end of all faults")
        async with asyncio.timeout(5):
            while one.applied != sequences:
                await one.act("next", 0)
                await one.act("commit", 5)
                if one.held.open and not one.held.waiting:
                    one.held.mark_unclean("what was lost is not missed by itself")
                await asyncio.sleep(0)
        assert one.held.checkpoint == sequences[-1]
    finally:
        one.held.stop()
        await running


class Defective(Intake):
    """Reads nothing the first few times."""

    failures = 3

    def read(self, partition: int, delivery: Delivery) -> Task:
        """Raise what nobody foresaw, or read."""
        if self.failures:
            self.failures -= 1
            raise KeyError(delivery.sequence)
        return super().read(partition, delivery)


async def test_what_could_not_be_taken_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was raised: its partition begins again until it can be."""
    monkeypatch.setattr("homing_reactor.held.RECHECK_SECONDS", 0.0)
    one = Partition([3, 5], Defective(REGISTRY, 1, demo=False))
    running = asyncio.create_task(one.held.run())
    await settled()
    try:
        async with asyncio.timeout(5):
            while one.applied != [3, 5]:
                await one.act("next", 0)
                await one.act("commit", 1)
                assert one.applied == [3, 5][: len(one.applied)]
                await asyncio.sleep(0)
    finally:
        one.held.stop()
        await running
