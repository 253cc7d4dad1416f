"""Five faults of a running system, each as a block: it is there inside, and mended after it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NamedTuple

import asyncpg
import httpx

from homing.local import access
from support.place import Place
from support.running import Process
from support.waiting import until
from support.world import outcome_of

ADD, MAKE, SLOW = (f"/api/commands/{one}" for one in ("tally.add", "trouble.make", "trouble.slow"))
SLOW_COMMANDS, READERS = 140, 8
MORE_THAN_ONE_MESSAGE = "x" * 60_000


class System(NamedTuple):
    """What is running, and a client of it."""

    place: Place
    api: Process
    reactor: Process
    me: httpx.AsyncClient


Fault = Callable[[System], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def poisoned_key(system: System) -> AsyncIterator[None]:
    """Every command of one key is refused by Postgres."""
    for _ in range(2):
        said = {"trouble_id": "poisoned", "kind": "refused"}
        answer = await system.me.post(MAKE, json=said)
        outcome = await outcome_of(system.me, answer.json()["links"]["status"], 60)
        assert outcome["status"] == "failed"
    yield


@asynccontextmanager
async def slow_handler(system: System) -> AsyncIterator[None]:
    """Each command of a type takes 0.2 s, and more come than that leaves time for."""
    answers = [
        await system.me.post(SLOW, json={"trouble_id": f"slow {number % 20}"})
        for number in range(SLOW_COMMANDS)
    ]
    yield
    for answer in answers:
        await outcome_of(system.me, answer.json()["links"]["status"], 60)


@asynccontextmanager
async def exhausted_pool(system: System) -> AsyncIterator[None]:
    """Somebody locks a table and forgets to end, while clients go on reading it."""
    forgetful = await asyncpg.connect(system.place.postgres_url(access.SUPERUSER))
    transaction = forgetful.transaction()
    await transaction.start()
    await forgetful.execute("LOCK TABLE tally.tallies IN ACCESS EXCLUSIVE MODE")
    readers = [
        asyncio.create_task(_again(lambda: system.me.get("/api/tally/any"))) for _ in range(READERS)
    ]
    try:
        yield
    finally:
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        await transaction.rollback()
        await forgetful.close()


@asynccontextmanager
async def full_stream(system: System) -> AsyncIterator[None]:
    """More was stored than there is room for."""
    big = {"tally_id": "big", "number": 1, "note": MORE_THAN_ONE_MESSAGE}

    async def refused() -> bool:
        return (await system.me.post(ADD, json=big)).status_code == 503

    await until(refused, 60)
    yield


@asynccontextmanager
async def crash_loop(system: System) -> AsyncIterator[None]:
    """A reactor with a wrong setting ends as soon as it starts, and is started again."""
    await system.reactor.end()
    wrong = system.reactor.with_settings(HOMING_PARTITIONS=str(system.place.partitions + 1))

    async def once() -> None:
        wrong.start()
        assert await wrong.wait() == 1

    crashing = asyncio.create_task(_again(once))
    try:
        yield
    finally:
        crashing.cancel()
        await asyncio.gather(crashing, return_exceptions=True)
        await wrong.end()


async def _again(doing: Callable[[], Awaitable[Any]]) -> None:
    while True:
        await doing()
