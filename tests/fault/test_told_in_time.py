"""Whatever keeps an announcement from an API: nobody who is connected waits for more than 2 s.

Counted from the outcome's `recorded_at`, a little before its commit, on the one clock that database
and clients share. All three ways of waiting are there: held response, stream of the command, and
the owner's stream.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg

from homing.local import access
from support.front import front
from support.ledger import check
from support.place import Place
from support.running import Process, running_reactor
from support.waiters import Waiters, latest, waiters
from support.waiting import until

TOLD_SECONDS = 2.0
GROUPS, NUMBERS = 10, 4


@asynccontextmanager
async def process(kind: str, place: Place, *faulty: str, **environ: str) -> AsyncIterator[Process]:
    """One, ready."""
    one = Process(kind, place, faulty, **environ).start()
    try:
        yield await one.ready()
    finally:
        await one.end(signal.SIGKILL)


@asynccontextmanager
async def crowd(url: str, name: str = "t") -> AsyncIterator[list[Waiters]]:
    """So many owners with all their ways of waiting."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(waiters(url, f"{name}-{n}")) for n in range(GROUPS)]


async def waits(group: Waiters, pause: float = 0.0) -> None:
    """Send numbers, and wait for each in every way until it has come."""
    watching = []
    for number in range(0, 2 * NUMBERS, 2):
        watching.append(asyncio.create_task(group.watch(await group.add(number))))
        await asyncio.sleep(pause)
        watching.append(asyncio.create_task(group.hold(number + 1)))
        await watching[-1]
    await asyncio.gather(*watching)
    await until(lambda: group.client.complete)


async def in_time(place: Place, groups: list[Waiters]) -> None:
    """It adds up, and nobody was told late."""
    check([group.client for group in groups])
    late = await latest(place, *groups)
    assert set(late) == {"held", "watched", "owner"}
    assert max(late.values()) < TOLD_SECONDS, late


async def test_no_announcement_ever_comes(place: Place) -> None:
    """The sweep alone tells everybody."""
    async with (
        process("reactor", place, "mute"),
        process("api", place) as api,
        crowd(api.url) as groups,
    ):
        await asyncio.gather(*map(waits, groups))
        await in_time(place, groups)


async def test_only_one_replica_hears(place: Place) -> None:
    """An owner's clients at the other one are told as well."""
    async with (
        running_reactor(place),
        process("api", place) as hearing,
        process("api", place, "deaf") as deaf,
        crowd(hearing.url, "hearing") as near,
        crowd(deaf.url, "deaf") as far,
    ):
        await asyncio.gather(*map(waits, near + far))
        await in_time(place, near)
        await in_time(place, far)


async def test_a_subscription_that_overflows(place: Place) -> None:
    """The client library says that it has dropped something, and that is swept."""
    async with (
        running_reactor(place),
        process("api", place, "narrow") as api,
        crowd(api.url) as groups,
    ):
        await asyncio.gather(*map(waits, groups))
        assert "nats.slow_consumer" in api.log
        await in_time(place, groups)


async def test_a_connection_to_nats_that_is_cut_again_and_again(place: Place) -> None:
    """Of the API alone: what is announced meanwhile is lost for it."""
    async with front(place.servers.nats.port) as between:
        nats_url = place.nats_url.replace(str(place.servers.nats.port), str(between.port))
        async with (
            running_reactor(place),
            process("api", place, HOMING_NATS_URL=nats_url) as api,
            crowd(api.url) as groups,
        ):
            sending = asyncio.gather(*(waits(group, pause=0.3) for group in groups))
            cuts = 0
            while not sending.done():
                between.refusing = True
                between.cut()
                cuts += 1
                await asyncio.sleep(0.3)
                between.refusing = False
                await asyncio.sleep(0.5)
            await sending
            assert cuts > 2
            assert "nats.reconnected" in api.log
            await in_time(place, groups)


async def test_a_store_that_was_out_of_reach(place: Place) -> None:
    """Of the API alone, for longer than a statement may take: counted from when it is back."""
    async with front(place.servers.postgres.port) as between:
        url = place.postgres_url("homing_api")
        url = url.replace(f":{place.servers.postgres.port}", f":{between.port}")
        async with process("api", place, HOMING_POSTGRES_URL=url) as api, crowd(api.url) as groups:
            watching = [asyncio.create_task(one.watch(await one.add(0))) for one in groups]
            between.flowing.clear()
            async with process("reactor", place, "mute"):
                await until(lambda: "sweep.failed" in api.log)
                between.flowing.set()
                back = time.time()
                await asyncio.gather(*watching)
                await until(lambda: all(one.client.complete for one in groups))
            at = [at for one in groups for at in one.client.ears[0].heard_at.values()]
            at += [heard.at for one in groups for heard in one.heard["watched"]]
            assert max(at) - back < TOLD_SECONDS


async def test_an_ack_that_is_lost(place: Place) -> None:
    """The command is stored and applied: whoever is held is told, and does not wait for the ack."""
    async with (
        running_reactor(place),
        process("api", place, "ackless") as api,
        waiters(api.url, "t") as one,
    ):
        for number in range(NUMBERS):
            await one.hold(number)
        check([one.client])
        assert one.refused == 0
        assert (await latest(place, one))["held"] < TOLD_SECONDS


async def test_nats_is_killed_and_comes_back(place: Place) -> None:
    """What was committed while it was away, or just before, is told by the sweep."""
    async with running_reactor(place), process("api", place) as api, crowd(api.url) as groups:
        sending = asyncio.gather(*(waits(group, pause=0.3) for group in groups))
        for _ in range(2):
            await asyncio.sleep(0.4)
            await place.servers.nats.kill()
            await asyncio.sleep(0.4)
            await place.servers.nats.start()
        await sending
        assert "nats.reconnected" in api.log
        await in_time(place, groups)


@asynccontextmanager
async def another_writer(place: Place) -> AsyncIterator[None]:
    """A transaction that has written something and stays open, beside all that goes on."""
    connection = await asyncpg.connect(place.postgres_url(access.SUPERUSER))
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_current_xact_id()")
            yield
    finally:
        await connection.close()


STRANGERS = """
INSERT INTO homing.outcomes (command_id, owner, type, key, status, body, fingerprint,
                             incarnation, partition, sequence)
SELECT gen_random_uuid(), 'a stranger', 'tally.add', 'k', 'succeeded', '{}', 'f', 1, 0, n
FROM generate_series(1, 300000) n
"""


async def test_somebody_elses_transaction_that_stays_open(place: Place) -> None:
    """As a long change of data does: no sweep goes through all that came since it began."""
    async with another_writer(place):
        await place.rows(STRANGERS)
        async with (
            process("reactor", place, "mute"),
            process("api", place) as api,
            crowd(api.url) as groups,
        ):
            await asyncio.gather(*map(waits, groups))
            await in_time(place, groups)
