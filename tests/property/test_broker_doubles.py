"""The broker's double and NATS, driven side by side: whatever is done, both answer the same."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from contract.brokers import Brokers, Memory, Real
from homing.broker import Announcer, CommandStream, Delivery, Publisher, connect
from homing.identity import new_command_id, traceparent
from homing.outcome import CommandId, OwnerToken
from homing.partition import subject_of
from homing.testing.memory_broker import MemoryBroker
from support.place import Place
from support.rows import somebody
from support.waiting import until

PARTITIONS = st.integers(0, 2)
ROOM = (0, 0, 60.0)
OWNER = OwnerToken(somebody("me"))
# On real servers it would take longer to shorten what was found than to read it.
BOUNDED = settings(max_examples=15, stateful_step_count=30, phases=(Phase.explicit, Phase.generate))


class Side:
    """One of the two: where its sequences begin, and what came out of it."""

    def __init__(self, brokers: Brokers, base: int) -> None:
        self.brokers = brokers
        self.base = base
        self.came: dict[int, list[Delivery]] = {}
        self.heard: list[tuple[str, str, bytes]] = []
        self._pulls: dict[int, Any] = {}

    async def listen(self) -> None:
        """To announcements."""
        await self.brokers.watch_outcomes(lambda *said: self.heard.append(said))

    async def begin(self, partition: int, after: int) -> None:
        """Take a partition from a sequence on, as its next holder does."""
        if (pull := self._pulls.get(partition)) is not None:
            await pull.close()
        came: list[Delivery] = []

        async def take(delivery: Delivery | None) -> None:
            if delivery is not None:
                came.append(delivery)

        self.came[partition] = came
        self._pulls[partition] = pull = self.brokers.source.pull(partition, take)
        await pull.reset(self.base + after)
        await pull.request(*ROOM)

    def deliveries(self, partition: int) -> list[tuple[int, int, int, bytes]]:
        """(sequence, consumer sequence, attempt, body) each."""
        return [
            (one.sequence - self.base, one.consumer_sequence, one.attempt, one.body)
            for one in self.came[partition]
        ]


class Machine(RuleBasedStateMachine):
    """Both brokers, and what was published to them."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self._place = place
        self._runner = asyncio.Runner()
        self._published: list[tuple[CommandId, int]] = []

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """In the machine's own loop."""
        return self._runner.run(work)

    @initialize()
    def open(self) -> None:
        """Both, with nothing in them that was not there before."""

        async def opened() -> list[Side]:
            self._broker = broker = await connect(self._place.nats_url, "contract")
            stream = CommandStream(broker)
            real = Real(
                broker, self._place.nats_url, Publisher(broker, 16, 5.0), stream, Announcer(broker)
            )
            memory = Memory(MemoryBroker(self._place.partitions))
            sides = [Side(memory, 0), Side(real, await stream.last_sequence())]
            for side in sides:
                await side.listen()
            return sides

        self._memory, self._real = self.run(opened())

    def teardown(self) -> None:
        """All that was delivered and said, and nothing more."""
        for partition in self._memory.came:
            self.alike(partition)
        self.run(until(lambda: len(self._real.heard) >= len(self._memory.heard), 5))
        assert self._real.heard == self._memory.heard
        self.run(self._broker.close())
        self._runner.close()

    def both(self, work: Callable[[Side], Awaitable[Any]]) -> Any:
        """What both answer, which has to be the same."""

        async def answer(side: Side) -> Any:
            return await work(side)

        memory, real = self.run(answer(self._memory)), self.run(answer(self._real))
        assert memory == real
        return memory

    def alike(self, partition: int) -> None:
        """The real one may take a moment; then it has brought the same."""

        async def brought() -> None:
            came = self._memory.came[partition]
            for _ in range(5):
                await asyncio.sleep(0)  # the double has brought all that it can
            await until(lambda: len(self._real.came[partition]) >= len(came), 5, pause=0.002)

        self.run(brought())
        assert self._real.deliveries(partition) == self._memory.deliveries(partition)

    @rule(partition=PARTITIONS, body=st.binary(max_size=20), repeats=st.integers(0, 3))
    def publish(self, partition: int, body: bytes, repeats: int) -> None:
        """A command, or one that was published before, with another body."""
        if not repeats and self._published:
            command_id, partition = self._published[-1]
        else:
            command_id = new_command_id()
        self._published.append((command_id, partition))

        async def work(side: Side) -> tuple[int, bool]:
            subject = subject_of("tally.add", partition)
            receipt = await side.brokers.publisher.publish(command_id, subject, body, traceparent())
            return receipt.sequence - side.base, receipt.duplicate

        self.both(work)

    @rule(sequence=st.integers(1, 12))
    def read(self, sequence: int) -> None:
        """A stored command by its sequence, which there may not be."""

        async def work(side: Side) -> Any:
            found = await side.brokers.source.read_message(side.base + sequence)
            return found and (found["subject"], found["data"])

        self.both(work)

    @rule()
    def last(self) -> None:
        """How far the stream is."""

        async def work(side: Side) -> int:
            return await side.brokers.source.last_sequence() - side.base

        self.both(work)

    @rule(partition=PARTITIONS, after=st.integers(0, 8))
    def begin(self, partition: int, after: int) -> None:
        """A holder resets the consumer and pulls."""
        self.both(lambda side: side.begin(partition, after))
        self.alike(partition)

    @precondition(lambda self: self._memory.came)
    @rule(number=st.integers(0, 2))
    def acknowledge(self, number: int) -> None:
        """The holder acknowledges all that it has."""
        partition = sorted(self._memory.came)[number % len(self._memory.came)]
        self.alike(partition)

        async def work(side: Side) -> None:
            if side.came[partition]:
                await side.brokers.announcer.applied(side.came[partition][-1].reply)

        self.both(work)

    @rule(body=st.binary(max_size=20))
    def announce(self, body: bytes) -> None:
        """An outcome, to whoever listens."""
        command_id = new_command_id()
        self.both(lambda side: side.brokers.announcer.outcomes([(OWNER, command_id, body)]))


def test_the_brokers_answer_alike(place: Place) -> None:
    """What is stored, repeated, read, delivered after any reset, and announced."""
    run_state_machine_as_test(lambda: Machine(place), settings=BOUNDED)  # type: ignore[no-untyped-call]
