"""Who holds which partition: shares, hand-over, a dead holder, an outcome that nobody announced."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter

import msgspec
import nats
from nats.aio.msg import Msg

from homing.outcome import Stored
from homing.partition import STREAM
from homing_reactor.main import AGAIN_AT_ONCE
from support.place import Place, Servers, delete_stream, fresh_place, migrate_place
from support.rows import made, somebody, writer
from support.running import Process, running_api, running_reactor
from support.waiting import until
from support.world import client, outcome_of

ADD = "/api/commands/tally.add"
LEASE_SECONDS = 3.0


async def holders(place: Place) -> Counter[str]:
    """How many partitions each reactor has."""
    rows = await place.rows("SELECT holder FROM homing.partitions WHERE holder IS NOT NULL")
    return Counter(row[0] for row in rows)


async def shared_by(place: Place, count: int) -> None:
    """Wait until so many reactors hold all partitions, fairly."""

    async def fairly() -> bool:
        found = await holders(place)
        return (
            len(found) == count
            and sum(found.values()) == place.partitions
            and max(found.values()) - min(found.values()) <= 1
        )

    await until(fairly)


async def test_reactors_share_fairly_as_they_come_and_go(place: Place) -> None:
    """Shares differ by one at most; who leaves hands over at once, without waiting for a lease."""
    async with running_reactor(place):
        await shared_by(place, 1)
        async with running_reactor(place), running_reactor(place):
            await shared_by(place, 3)
        left = time.monotonic()
        await shared_by(place, 1)
        assert time.monotonic() - left < LEASE_SECONDS / 2


async def test_a_dead_holder_is_replaced_within_its_lease(place: Place) -> None:
    """kill -9: the other one has everything within the lease and a tick or two."""
    doomed = await Process("reactor", place).start().ready()
    await shared_by(place, 1)
    async with running_reactor(place):
        await shared_by(place, 2)
        await doomed.end(signal.SIGKILL)
        died = time.monotonic()
        await shared_by(place, 1)
        assert time.monotonic() - died < LEASE_SECONDS + 2


async def test_whoever_claims_announces_again(servers: Servers) -> None:
    """The last holder may have died between its commit and its announcement, on any partition."""
    partitions = 2 * AGAIN_AT_ONCE + 1
    told = [in_partition(made(somebody("waiting")), number) for number in range(partitions)]
    heard: set[str] = set()

    async def hear(message: Msg) -> None:
        heard.add(message.subject)

    async with fresh_place(servers, partitions) as place:
        async with writer(place) as reactor:
            await reactor.write(*told)
        await place.rows("UPDATE homing.partitions SET holder = 'one that died'")
        listener = await nats.connect(place.nats_url)
        try:
            await listener.subscribe("homing.outcomes.>", cb=hear)
            await listener.flush()
            async with running_reactor(place):
                await until(lambda: len(heard) == partitions, 10)
        finally:
            await listener.close()
    assert heard == {f"homing.outcomes.{one.owner}.{one.outcome.command_id}" for one in told}


def in_partition(stored: Stored, partition: int) -> Stored:
    """The same outcome, of a command that lay there."""
    position = msgspec.structs.replace(stored.outcome.position, partition=partition)
    outcome = msgspec.structs.replace(stored.outcome, position=position)
    return msgspec.structs.replace(stored, outcome=outcome)


async def test_a_stream_that_lost_its_past_is_not_applied_from(place: Place) -> None:
    """After a restore, sequences are used again, and a consumer would skip what is new: refuse."""
    async with running_api(place) as url, client(url) as one:
        async with running_reactor(place):
            answer = await one.post(ADD, json={"tally_id": "t", "number": 1})
            await outcome_of(one, answer.headers["Location"])
        broker = await nats.connect(place.nats_url)
        await broker.jetstream().purge_stream(STREAM)
        await broker.close()
        reactor = await Process("reactor", place).start().ready()
        try:
            answer = await one.post(ADD, json={"tally_id": "t", "number": 2})
            await until(lambda: "stream.mismatch" in reactor.log)
            status = await one.get(answer.headers["Location"])
            assert status.json()["status"] == "pending"
        finally:
            await reactor.end()


async def test_a_stream_made_anew_is_refused_at_start(place: Place) -> None:
    """The database knows which stream it belongs to; `homing migrate` says it, too."""
    await delete_stream(place.nats_url)
    again = await asyncio.gather(migrate_place(place), return_exceptions=True)
    assert "belongs to a stream made at" in str(again[0])
    for kind in ("reactor", "api"):
        process = Process(kind, place).start()
        assert await process.wait() == 1
        assert "belongs to the stream of" in process.log
