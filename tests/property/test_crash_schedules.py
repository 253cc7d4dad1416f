"""Any schedule of crashes leads to what no crash leads to: the same states, outcomes and order.

The loop without servers. A reactor that crashes stands still for ever at the point that the
example names, and is cancelled there; the next one begins where the store says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.testing.memory_broker import MemoryBroker
from homing.testing.memory_store import MemoryRound, MemoryStore
from homing_reactor.applying import Applier
from homing_reactor.lane import Lane
from support.inmemory import PARTITIONS, running_api, running_reactor
from support.rows import somebody
from support.waiting import until

OWNERS = somebody("one"), somebody("two")
KEYS, COMMANDS = 3, 24
POINTS = (
    "delivered", "fenced", "decided", "written", "committed", "half-told", "told", "acknowledged",
)  # fmt: skip


class Crash:
    """A point, and how often it is passed before."""

    def __init__(self, point: str, passed: int) -> None:
        self._point = point
        self._left = passed
        self.happened = asyncio.Event()

    async def at(self, point: str) -> None:
        """Never comes back from where the crash is."""
        if self.happened.is_set():
            await asyncio.Event().wait()  # nothing else of the process goes on
        if point != self._point:
            return
        self._left -= 1
        if self._left < 0:
            self.happened.set()
            await asyncio.Event().wait()


@contextmanager
def crashing(crash: Crash) -> Iterator[None]:
    """The reactor's methods, with the points in between."""

    def around(before: str, after: str = "") -> Callable[[Any], Any]:
        def wrap(method: Any) -> Any:
            async def passing(*said: Any, **named: Any) -> Any:
                await crash.at(before)
                result = await method(*said, **named)
                await crash.at(after)
                return result

            return passing

        return wrap

    def by_halves(outcomes: Any) -> Any:
        async def announcing(broker: MemoryBroker, said: Any) -> None:
            all_of_it = list(said)
            await outcomes(broker, all_of_it[: len(all_of_it) // 2])
            await crash.at("half-told")
            await outcomes(broker, all_of_it[len(all_of_it) // 2 :])

        return announcing

    with pytest.MonkeyPatch.context() as patch:
        for owner, name, wrap in (
            (Lane, "_round", around("delivered")),
            (MemoryRound, "fence", around("", "fenced")),
            (Applier, "_save", around("decided", "written")),
            (Lane, "_tell", around("committed")),
            (MemoryBroker, "outcomes", by_halves),
            (MemoryBroker, "applied", around("told", "acknowledged")),
        ):
            patch.setattr(owner, name, wrap(getattr(owner, name)))
        yield


async def published(broker: MemoryBroker, store: MemoryStore) -> None:
    """The same commands each time: additions, some refused, one sent twice after the window."""
    async with running_api(broker, store) as api:
        for number in range(COMMANDS):
            wrapped = api.wrapped(
                OWNERS[number % 2], "tally.add", f"{number}",
                tally_id=f"t{number % KEYS}", number=-1 if number % 7 == 6 else number,
            )  # fmt: skip
            await api.submitter.submit(wrapped, None)
            if number == COMMANDS // 2:
                broker.pass_time(1000)
                await broker.publish(
                    wrapped.command_id, wrapped.subject, wrapped.body, wrapped.traceparent
                )


async def applied(broker: MemoryBroker, store: MemoryStore) -> None:
    """Wait until every partition is applied to its end."""
    ends = {message.partition: message.sequence for message in broker.messages.values()}
    await until(
        lambda: all(store.partitions[p].checkpoint == end for p, end in ends.items()), 5, pause=0
    )


async def run(crashes: list[tuple[str, int]]) -> tuple[Any, ...]:
    """What is there in the end."""
    broker, store = MemoryBroker(PARTITIONS), MemoryStore(PARTITIONS)
    await published(broker, store)
    for point, passed in crashes:
        crash = Crash(point, passed)
        with crashing(crash):
            await _until_it_crashes(crash, broker, store)
    async with running_reactor(broker, store):
        await applied(broker, store)
    return states(store), outcomes(store), store.dead_letters


async def _until_it_crashes(crash: Crash, broker: MemoryBroker, store: MemoryStore) -> None:
    """Run a reactor until it crashes, or has nothing left to do."""
    bystanders = asyncio.all_tasks()

    async def reactor() -> None:
        async with running_reactor(broker, store):
            await applied(broker, store)

    running = asyncio.create_task(reactor())
    happened = asyncio.create_task(crash.happened.wait())
    await asyncio.wait((running, happened), return_when=asyncio.FIRST_COMPLETED)
    # Again and again, since a process that is killed finishes nothing, and waits for nothing.
    while doomed := asyncio.all_tasks() - bystanders:
        for task in doomed:
            task.cancel()
        await asyncio.sleep(0)
    for consumer in vars(broker)["_consumers"].values():
        consumer.asking.clear()  # a server forgets who has no connection any more


def states(store: MemoryStore) -> dict[str, Any]:
    """Of each tally."""
    return {key: msgspec.json.decode(state) for key, state in store.states["tally"].items()}


def outcomes(store: MemoryStore) -> dict[str, Any]:
    """What was said of each command, but for the times; and its events, in their order."""
    said = {}
    for command_id, (_, row) in store.outcomes.items():
        body = msgspec.json.decode(row.body)
        del body["timeline"], body["trace_id"]
        events = [(event.sequence, event.body) for event in store.events
                  if event.command_id == command_id]  # fmt: skip
        said[command_id] = (row.owner, body, events)
    return said


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(POINTS), st.integers(0, 2)), min_size=1, max_size=6))
async def test_crashes_change_nothing(crashes: list[tuple[str, int]]) -> None:
    """One after another, at any points, also while the next one makes good for the last."""
    assert await run(crashes) == await run([])


@pytest.mark.parametrize("point", POINTS)
async def test_the_schedule_does_what_it_says(point: str) -> None:
    """Each point is really reached: else the test above would prove nothing."""
    broker, store = MemoryBroker(PARTITIONS), MemoryStore(PARTITIONS)
    await published(broker, store)
    crash = Crash(point, 0)
    with crashing(crash):
        await _until_it_crashes(crash, broker, store)
    assert crash.happened.is_set()
