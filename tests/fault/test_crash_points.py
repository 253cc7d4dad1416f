"""A process dies between each pair of steps of a command's way: it is applied once, and told.

The clients do what real ones do: they send again under the same Idempotency-Key what broke, and
come back to their streams. What they know by themselves has to add up, and the database with it.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from support.faulty import API_CRASHES, COMMIT_DOUBTS, REACTOR_CRASHES
from support.front import front
from support.ledger import check
from support.place import Place
from support.running import Process, running_api, running_reactor
from support.waiters import Heard, Waiters, latest, waiters
from support.waiting import until

NUMBERS = 5
TOLD_SECONDS = 2.0
AFTER_THE_COMMIT = {"committed", "half-told", "told", "acknowledged"}
LEASE = {"HOMING_LEASE_SECONDS": "1"}
TALLY = "t"
UNANSWERED = {"sent", "stored", "accepting"}
"""Points of an API at which some request is in hand for certain."""


@asynccontextmanager
async def armed(place: Place, kind: str, *faulty: str, count: int) -> AsyncIterator[list[Process]]:
    """So many processes that share one fault."""
    processes = [Process(kind, place, faulty, **LEASE).start() for _ in range(count)]
    try:
        yield processes
    finally:
        for one in processes:
            await one.end(signal.SIGKILL)


@pytest.fixture
def flag(tmp_path: Path) -> Path:
    """A fault that has not happened."""
    path = tmp_path / "flag"
    path.touch()
    return path


def arm(flag: Path) -> None:
    """Let it happen once more."""
    flag.touch()


async def send(group: Waiters) -> list[asyncio.Task[Heard]]:
    """Have numbers accepted in order, each waited for, and one more in a held response."""
    watching = [
        asyncio.create_task(group.watch(await group.add(number))) for number in range(NUMBERS)
    ]
    return [*watching, asyncio.create_task(group.hold(NUMBERS))]


async def told(group: Waiters, tasks: list[asyncio.Task[Heard]]) -> None:
    """Everybody has heard, and it adds up."""
    async with asyncio.timeout(30):
        await asyncio.gather(*tasks)
    await until(lambda: group.client.complete)
    check([group.client])


async def applied_once(place: Place, count: int = NUMBERS + 1) -> None:
    """By the books of the database."""
    rows = await place.rows("SELECT count, total FROM tally.tallies")
    assert [tuple(row) for row in rows] == [(count, sum(range(count)))]
    for table in ("outcomes", "events"):
        assert (await place.rows(f"SELECT count(*) FROM homing.{table}"))[0][0] == count
    assert await place.rows("SELECT reason FROM homing.dead_letters") == []


def dead(processes: list[Process]) -> int:
    """How many were killed."""
    return sum(one.running.poll() == -signal.SIGKILL for one in processes)


@pytest.mark.parametrize("point", REACTOR_CRASHES)
async def test_another_reactor_goes_on(place: Place, flag: Path, point: str) -> None:
    """Nobody is asked to do anything: held responses and streams get their outcomes.

    Those of what was committed come at once, and not only when the dead one's lease has run out.
    """
    async with running_api(place) as url, waiters(url, TALLY) as group:
        tasks = await send(group)
        await until(lambda: _stored(place))
        async with armed(place, "reactor", point, str(flag), count=2) as reactors:
            await told(group, tasks)
            await until(lambda: not flag.exists())
            await until(lambda: dead(reactors) == 1)
    assert group.broken == 0
    await applied_once(place)
    late = await latest(place, group)
    assert set(late) == {"held", "watched", "owner"}
    assert max(late.values()) < TOLD_SECONDS


@pytest.mark.parametrize("doubt", COMMIT_DOUBTS)
async def test_a_reactor_that_does_not_know_whether_it_has_committed(
    place: Place, flag: Path, doubt: str
) -> None:
    """It forgets what it believed, claims again, and is told by its checkpoint."""
    async with running_api(place) as url, waiters(url, TALLY) as group:
        tasks = await send(group)
        async with armed(place, "reactor", doubt, str(flag), count=1) as (reactor,):
            await told(group, tasks)
            # The sweep may tell everybody before the reactor has said what it does not know.
            await until(lambda: '"verdict": "doubt"' in reactor.log)
            assert dead([reactor]) == 0
    await applied_once(place)
    assert max((await latest(place, group)).values()) < TOLD_SECONDS


@pytest.mark.parametrize("point", API_CRASHES)
async def test_another_api_goes_on(place: Place, flag: Path, point: str) -> None:
    """The connection breaks; sent again under the same key it is the same command, and is told."""
    async with armed(place, "api", point, str(flag), count=2) as apis, running_reactor(place):
        for api in apis:
            await api.ready()
        async with front(*(api.port for api in apis)) as there:
            async with waiters(there.url, TALLY) as group:
                await told(group, await send(group))
            await until(lambda: not flag.exists())
            await until(lambda: dead(apis) == 1)
    if point in UNANSWERED:
        assert group.broken + len(group.client.troubles) > 0
    await applied_once(place)


@pytest.mark.timeout(240)
async def test_a_reactor_that_starts_again_after_every_crash(place: Place, flag: Path) -> None:
    """With nobody to take over: what was accepted waits for it, and is applied once."""
    async with running_api(place) as url, waiters(url, TALLY) as group:
        for number, point in enumerate(REACTOR_CRASHES):
            arm(flag)
            async with armed(place, "reactor", point, str(flag), count=1) as (reactor,):
                held = [asyncio.create_task(group.hold(2 * number + more)) for more in (0, 1)]
                assert await reactor.wait() == -signal.SIGKILL
                reactor.start()
                await asyncio.gather(*held)
    await applied_once(place, 2 * len(REACTOR_CRASHES))


@pytest.mark.timeout(240)
async def test_an_api_that_starts_again_after_every_crash(place: Place, flag: Path) -> None:
    """With nobody to take over: its clients find it again, and lack nothing."""
    async with front() as there, running_reactor(place):
        first = await Process("api", place).start().ready()
        there.behind = [first.port]
        async with waiters(there.url, TALLY) as group:
            await first.end(signal.SIGKILL)
            for number, point in enumerate(API_CRASHES):
                arm(flag)
                async with armed(place, "api", point, str(flag), count=1) as (api,):
                    there.behind = [api.port]
                    adding = asyncio.create_task(group.add(2 * number))
                    held = asyncio.create_task(group.hold(2 * number + 1))
                    assert await api.wait() == -signal.SIGKILL
                    await api.start().ready()
                    await asyncio.gather(adding, held)
                    await until(lambda: group.client.complete)
    await applied_once(place, 2 * len(API_CRASHES))


async def _stored(place: Place) -> bool:
    return await place.stored() == NUMBERS + 1
