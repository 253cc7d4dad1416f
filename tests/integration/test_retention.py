"""What is kept how long: commands leave the stream, outcomes and events the database, in time."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import nats
from nats.js.client import JetStreamContext

from homing.broker import CommandStream, connect
from homing.envelope import Envelope, encode
from homing.identity import fingerprint, new_command_id, traceparent
from homing.outcome import now
from homing.partition import STREAM, partition_of, subject_of
from homing.storage import Database, Pruning
from homing_reactor.lease import Lease
from homing_reactor.retention import Pruner, Retention, Trimmer
from support.place import Place
from support.rows import made, somebody, writer
from support.running import Process, running_api, running_reactor
from support.waiting import until
from support.world import client

ADD = "/api/commands/tally.add"
SECOND = 1 / 86_400
QUICK = {
    "command_retention_days": SECOND / 2,
    "outcome_retention_days": SECOND * 3600,
    "event_retention_days": SECOND * 3600,
    "retention_pace_seconds": 0.2,
}
"""Of a reactor: commands leave half a second after they were stored."""


async def add(one: httpx.AsyncClient, tally: str, number: int = 1) -> Any:
    """Add to a tally and wait for the outcome."""
    answer = await one.post(
        ADD, json={"tally_id": tally, "number": number}, headers={"Prefer": "wait=20"}
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


async def sequences(place: Place) -> dict[int, list[int]]:
    """What the stream has, by partition."""
    broker = await connect(place.nats_url, "test")
    try:
        stream, found = CommandStream(broker), {}
        for partition in range(place.partitions):
            after, found[partition] = 0, list[int]()
            while one := await stream.next_message(partition, after):
                found[partition].append(after := one.sequence)
        return {partition: there for partition, there in found.items() if there}
    finally:
        await broker.close()


async def checkpoints(place: Place) -> dict[int, int]:
    """How far each partition is applied."""
    rows = await place.rows("SELECT partition, checkpoint FROM homing.partitions")
    return {row[0]: row[1] for row in rows if row[1]}


def command(kind: str, key: str) -> Envelope:
    """One of a stranger."""
    payload = msgspec.json.encode({"tally_id": key, "number": 1})
    return Envelope(
        specversion="1.0", id=new_command_id(), type=kind, key=key, accepted_at=now(),
        owner=somebody("stranger"), fingerprint=fingerprint(kind, payload),
        traceparent=traceparent(), payload=msgspec.Raw(payload),
    )  # fmt: skip


async def store(js: JetStreamContext, place: Place, made: Envelope) -> int:
    """Store a command as a stranger would, without a word of its id; its sequence."""
    subject = subject_of(made.type, partition_of(made.key, place.partitions))
    return (await js.publish(subject, encode(made))).seq


async def put(js: JetStreamContext, place: Place, kind: str, key: str) -> int:
    """Store a new command; its sequence."""
    return await store(js, place, command(kind, key))


async def test_applied_commands_leave_the_stream_but_each_partitions_last(place: Place) -> None:
    """That one shows that the stream is still the one that was applied; and work goes on."""
    async with running_reactor(place, **QUICK), running_api(place) as url, client(url) as one:
        for number in range(30):
            await add(one, f"tally {number % 6}")
        last = await checkpoints(place)
        kept = {partition: [sequence] for partition, sequence in last.items()}

        async def trimmed() -> bool:
            return await sequences(place) == kept

        await until(trimmed)
        assert (await add(one, "tally 1"))["data"]["count"] == 6
    async with running_reactor(place), running_api(place) as url, client(url) as one:
        assert (await add(one, "tally 2"))["data"]["count"] == 6


async def test_what_is_young_or_not_applied_stays(place: Place) -> None:
    """However old what waits is, and however far what is young was applied."""
    js_client = await nats.connect(place.nats_url)
    js = js_client.jetstream()
    try:
        for _ in range(3):
            await put(js, place, "tally.add", "open")
            await put(js, place, "tally.add", "stuck")
        waits = await put(js, place, "tally.not_known_yet", "stuck")
        behind = await put(js, place, "tally.add", "stuck")
        stuck, free = (partition_of(key, place.partitions) for key in ("stuck", "open"))
        assert stuck != free
        async with running_reactor(place, **QUICK):

            async def trimmed() -> bool:
                found = await sequences(place)
                return found[stuck] == [waits - 1, waits, behind] and len(found[free]) == 1

            await until(trimmed)
            assert (await checkpoints(place))[stuck] == waits - 1
        before = await sequences(place)
        async with running_reactor(place, **QUICK | {"command_retention_days": SECOND * 600}):
            for _ in range(5):
                await put(js, place, "tally.add", "open")
            await until(lambda: _checkpoint_beyond(place, free, behind + 4))
            for _ in range(2):  # the first may have begun before the last commit
                await _a_turn(place, free)
            found = await sequences(place)
            assert found[free] == [*before[free], *range(behind + 1, behind + 6)]
            assert found[stuck] == before[stuck]
    finally:
        await js_client.close()


async def test_a_command_stays_for_as_long_after_it_was_applied(place: Place) -> None:
    """However long ago it was stored: a database restored by so much has it to apply again."""
    partition = partition_of("one by one", place.partitions)
    js_client = await nats.connect(place.nats_url)
    try:
        async with running_reactor(place), running_api(place) as url, client(url) as one:
            for number in range(5):
                await add(one, "one by one")
                for _ in range(250 if number == 3 else 0):
                    await js_client.publish(subject_of("tally.add", partition), b"unreadable")
    finally:
        await js_client.close()
    first, _, third, _, *odd, last = (await sequences(place))[partition]
    assert len(odd) == 250, "more than are looked at in a row"
    database = await Database.open(place.postgres_url("homing_reactor"), 2)
    broker = await connect(place.nats_url, "test")
    lease = Lease(60)
    lease.renewed(time.monotonic())
    try:
        moment, month = timedelta(milliseconds=1), timedelta(days=30)
        retention = Retention(moment, month, month, 1.0)
        trimmer = Trimmer(CommandStream(broker), Pruning(database), lease, retention)

        async def trimmed(lately: int) -> list[int]:
            """What is left when those from a sequence on were applied within the retention."""
            await place.rows(
                "UPDATE homing.outcomes SET recorded_at = now() +"
                " CASE WHEN sequence < $1 THEN -interval '1 hour' ELSE interval '1 hour' END",
                lately,
            )
            await trimmer.trim(partition, last)
            return (await sequences(place))[partition]

        assert len(await trimmed(first)) == 255
        assert await trimmed(third) == [third, third + 1, *odd, last]
        await place.rows("UPDATE homing.stream SET incarnation = 2")
        assert await trimmed(third) == [third, third + 1, *odd, last], "whatever was adopted since"
        assert await trimmed(last + 1) == [last]
    finally:
        await broker.close()
        await database.close()


async def _a_turn(place: Place, partition: int) -> None:
    """Wait until its holder has tended it: first it trims, then it prunes."""
    async with writer(place) as reactor:
        await reactor.write(made(somebody("long ago")))
    await place.rows(
        "UPDATE homing.outcomes SET partition = $1, recorded_at = now() - interval '31 days'"
        " WHERE owner = $2", partition, somebody("long ago"),
    )  # fmt: skip

    async def pruned() -> bool:
        sql = "SELECT 1 FROM homing.outcomes WHERE owner = $1"
        return await place.rows(sql, somebody("long ago")) == []

    await until(pruned)


async def _checkpoint_beyond(place: Place, partition: int, sequence: int) -> bool:
    return (await checkpoints(place)).get(partition, 0) > sequence


async def test_outcomes_and_events_go_after_their_time_dead_letters_never(place: Place) -> None:
    """The read model stays as it is."""
    js_client = await nats.connect(place.nats_url)
    try:
        await js_client.jetstream().publish(subject_of("tally.add", 0), b"unreadable")
    finally:
        await js_client.close()
    brief = QUICK | {"outcome_retention_days": SECOND, "event_retention_days": SECOND}
    async with running_reactor(place, **brief), running_api(place) as url, client(url) as one:
        for number in range(20):
            await add(one, f"tally {number % 6}")

        async def pruned() -> bool:
            sql = (
                "SELECT command_id FROM homing.outcomes UNION SELECT command_id FROM homing.events"
            )
            return await place.rows(sql) == []

        await until(pruned)
        assert (await add(one, "tally 1"))["data"]["count"] == 5
        letters = await place.rows("SELECT reason FROM homing.dead_letters")
        assert len(letters) == 1


async def test_old_outcomes_go_in_batches_and_young_ones_stay(place: Place) -> None:
    """Thousands, without one long statement."""
    async with writer(place) as reactor:
        await reactor.write(*(made(somebody("old")) for _ in range(1700)))
        await place.rows("UPDATE homing.outcomes SET recorded_at = now() - interval '31 days'")
        await reactor.write(*(made(somebody("young")) for _ in range(3)))
    async with running_reactor(place, retention_pace_seconds=0.2):

        async def left() -> list[int]:
            rows = await place.rows("SELECT count(*) FROM homing.outcomes")
            return [row[0] for row in rows] == [3]

        await until(left)


async def test_an_outcome_that_postgres_cannot_look_into_goes_as_well(place: Place) -> None:
    """One with U+0000 in it, of a version that let it pass; the others of its partition with it."""
    async with writer(place) as reactor:
        await reactor.write(made(somebody("a"), data="\0"), made(somebody("b"), data="\\u0000"))
        await reactor.write(made(somebody("c")))
    database = await Database.open(place.postgres_url("homing_reactor"), 2)
    try:
        assert await Pruning(database).outcomes(0, timedelta(0), None) == 3
    finally:
        await database.close()
    assert len(await place.rows("SELECT 1 FROM homing.pruned WHERE published_at < now()")) == 1


async def test_an_adoption_learns_of_second_copies_of_what_was_pruned(place: Place) -> None:
    """They are younger than the outcome tells, and nothing else would keep them from an effect."""
    js_client = await nats.connect(place.nats_url)
    database = await Database.open(place.postgres_url("homing_reactor"), 2)
    try:
        js, twice = js_client.jetstream(), command("tally.add", "twice")
        partition = partition_of("twice", place.partitions)
        async with running_reactor(place):
            await store(js, place, twice)
            await until(lambda: _checkpoint_beyond(place, partition, 0))
        for _ in range(5):
            await store(js, place, twice)
        other = msgspec.structs.replace(twice, fingerprint="x" * 22)
        copy = await store(js, place, other)  # a conflict, and nothing keeps it from an effect
        async with running_reactor(place):  # all of them in one round
            await until(lambda: _checkpoint_beyond(place, partition, copy - 1))
        assert await Pruning(database).outcomes(partition, timedelta(0), None) == 1
        rows = await place.rows("SELECT published_at FROM homing.pruned")
        assert [row[0] for row in rows] == [(await js.get_msg(STREAM, copy)).time]
    finally:
        await database.close()
        await js_client.close()


async def test_an_outcome_stays_as_long_as_its_command_may_come(place: Place) -> None:
    """As after an adoption, when a partition begins at its first message again."""
    moment = timedelta(milliseconds=1)
    retention = Retention(moment, moment, moment, 1.0)
    database = await Database.open(place.postgres_url("homing_reactor"), 2)
    broker = await connect(place.nats_url, "test")
    js_client = await nats.connect(place.nats_url)
    try:
        js = js_client.jetstream()
        key = next(f"key {n}" for n in range(99) if partition_of(f"key {n}", place.partitions) == 0)
        sequence = await put(js, place, "tally.add", key)
        async with writer(place) as reactor:
            await reactor.write(made(somebody("waiting")))
        pruner = Pruner(CommandStream(broker), Pruning(database), retention)
        await pruner.prune(0, sequence - 1)
        assert len(await place.rows("SELECT 1 FROM homing.outcomes")) == 1
        await pruner.prune(0, sequence)
        assert await place.rows("SELECT 1 FROM homing.outcomes") == []
    finally:
        await js_client.close()
        await broker.close()
        await database.close()


async def test_a_purge_under_a_running_reactor_is_said_and_nothing_more_is_applied(
    place: Place,
) -> None:
    """At the next turn of the holder, without a restart or a reconnect."""
    reactor = await Process("reactor", place, HOMING_RETENTION_PACE_SECONDS="0.2").start().ready()
    try:
        async with running_api(place) as url, client(url) as one:
            await add(one, "tally")
            broker = await nats.connect(place.nats_url)
            await broker.jetstream().purge_stream(STREAM)
            await broker.close()
            await until(lambda: reactor.log.count("stream.mismatch") == 1)
            assert "homing migrate --adopt-stream" in reactor.log
            answer = await one.post(ADD, json={"tally_id": "tally", "number": 1})
            await until(lambda: reactor.log.count("stream.mismatch") == 2)
            status = await one.get(answer.headers["Location"])
            assert status.json()["status"] == "pending"
    finally:
        await reactor.end()
