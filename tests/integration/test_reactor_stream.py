"""What strangers put on the stream: it becomes a dead letter, and its partition goes on."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import msgspec
import nats
import pytest
import structlog
from nats.js.client import JetStreamContext

from homing.envelope import Envelope, encode
from homing.identity import fingerprint, new_command_id, trace_id, traceparent
from homing.outcome import now
from homing.partition import partition_of, subject_of
from support.letters import outcome
from support.place import Place, Servers
from support.rows import somebody
from support.running import running_reactor
from support.waiting import until
from support.world import World, running_world

TYPE = "tally.add"
KEY = "here"


@pytest.fixture(scope="module")
async def world(servers: Servers) -> AsyncIterator[World]:
    async with running_world(servers) as world:
        yield world


@pytest.fixture
async def stream(world: World) -> AsyncIterator[JetStreamContext]:
    client = await nats.connect(world.place.nats_url)
    yield client.jetstream()
    await client.close()


def envelope(**changes: Any) -> Envelope:
    """A command that is right in every way."""
    payload = msgspec.json.encode({"tally_id": KEY, "number": 1})
    made = Envelope(
        specversion="1.0", id=new_command_id(), type=TYPE, key=KEY, accepted_at=now(),
        owner=somebody("stranger"), fingerprint=fingerprint(TYPE, payload),
        traceparent=traceparent(), payload=msgspec.Raw(payload),
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def subject(place: Place, key: str = KEY, command_type: str = TYPE) -> str:
    """Where a command of this key belongs."""
    return subject_of(command_type, partition_of(key, place.partitions))


async def reasons(place: Place, sequence: int) -> list[str]:
    """Why a message was buried, once it was."""

    async def found() -> list[str]:
        rows = await place.rows(
            "SELECT reason FROM homing.dead_letters WHERE sequence = $1", sequence
        )
        return [row[0] for row in rows]

    return await until(found)


async def goes_on(world: World, stream: JetStreamContext) -> None:
    """The same partition still applies what is right."""
    good = envelope()
    await stream.publish(subject(world.place), encode(good))

    async def applied() -> bool:
        sql = "SELECT status FROM homing.outcomes WHERE command_id = $1"
        return [row[0] for row in await world.place.rows(sql, good.id)] == ["succeeded"]

    await until(applied)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"\x00\xff\xfe", b"{", b"[]", b"{}", b"null", b"[" * 100_000, b'{"id":"x"}',
        encode(envelope()).replace(b'"number":1', b'"note":"\\u0000","number":1'),
        encode(msgspec.structs.replace(envelope(), id=envelope().id + "\n")),
        encode(msgspec.structs.replace(envelope(), owner="A" * 22 + "\n")),
        re.sub(rb'"time":"[^"]*"', b'"time":"9999-12-31T23:59:59-14:00"', encode(envelope())),
        re.sub(rb'"time":"[^"]*"', b'"time":"0001-01-01T00:00:00+14:00"', encode(envelope())),
    ],
    ids=["empty", "binary", "cut", "array", "bare", "null", "deep", "poor", "nul", "id with LF",
         "owner with LF", "year 10000", "year 0"],
)  # fmt: skip
async def test_bytes_that_are_no_envelope_are_a_dead_letter(
    world: World, stream: JetStreamContext, body: bytes
) -> None:
    """Kept as they were, with the reason; nothing waits behind them."""
    ack = await stream.publish(subject(world.place), body)
    (reason,) = await reasons(world.place, ack.seq)
    assert reason.startswith("unreadable")
    kept = await world.place.rows(
        "SELECT body, command_id FROM homing.dead_letters WHERE sequence = $1", ack.seq
    )
    assert (kept[0][0], kept[0][1]) == (body, None)
    await goes_on(world, stream)


@pytest.mark.parametrize("kind", [b"tally.a\0b", b"tally.\xff\xfe"], ids=["nul", "no UTF-8"])
async def test_a_subject_that_is_no_text_is_a_dead_letter(
    world: World, stream: JetStreamContext, kind: bytes
) -> None:
    """NATS takes it from any publisher; neither the connection nor the partition breaks at it."""
    url = urlsplit(world.place.nats_url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    said = {"verbose": False, "user": url.username, "pass": url.password}
    name = subject(world.place).encode().removesuffix(b"tally.add") + kind
    writer.write(b"CONNECT %s\r\nPUB %s 1\r\nx\r\nPING\r\n" % (msgspec.json.encode(said), name))
    while b"PONG" not in await reader.readline():
        pass
    writer.close()
    await goes_on(world, stream)
    rows = await world.place.rows("SELECT subject FROM homing.dead_letters WHERE body = 'x'")
    assert {row[0].removesuffix("tally.ab").removesuffix("tally.\ufffd\ufffd") for row in rows} == {
        subject(world.place).removesuffix("tally.add")
    }


async def test_a_command_in_the_wrong_partition_fails(
    world: World, stream: JetStreamContext
) -> None:
    """Its order could not be kept there; its owner is told."""
    stray = envelope(key="over there")
    assert subject(world.place) != subject(world.place, "over there")
    ack = await stream.publish(subject(world.place), encode(stray))
    (reason,) = await reasons(world.place, ack.seq)
    assert reason.startswith("misplaced")
    rows = await world.place.rows(
        "SELECT status FROM homing.outcomes WHERE command_id = $1", stray.id
    )
    assert [row[0] for row in rows] == ["failed"]
    await goes_on(world, stream)


@pytest.mark.parametrize(
    "payload",
    [
        b'{"tally_id":"here","number":"many"}',
        b'{"tally_id":"here","number":1,"note":"\xff"}',
        b'{"tally_id":"here","number":1,"note":"unforeseen"}',
    ],
    ids=["another type", "no UTF-8", "its own code raises"],
)
async def test_a_payload_that_is_no_such_command_fails(
    world: World, stream: JetStreamContext, payload: bytes
) -> None:
    """The envelope is right, what it carries is not; its owner is told, whatever is raised."""
    odd = envelope(payload=msgspec.Raw(payload))
    ack = await stream.publish(subject(world.place), encode(odd))
    (reason,) = await reasons(world.place, ack.seq)
    assert reason.startswith("invalid-payload")
    rows = await world.place.rows(
        "SELECT status FROM homing.outcomes WHERE command_id = $1", odd.id
    )
    assert [row[0] for row in rows] == ["failed"]
    await goes_on(world, stream)


async def test_a_state_that_cannot_be_read_fails_its_commands_alone(
    world: World, stream: JetStreamContext
) -> None:
    """Written by hand, or by a version with other rules; its partition goes on behind it."""
    await world.place.rows(
        "INSERT INTO locations.locations VALUES ($1, 'Tranquillity', 'Moon', '', now(), NULL)", KEY
    )
    payload = msgspec.json.encode({"location_id": KEY, "name": "Apollo"})
    odd = envelope(type="locations.rename", payload=msgspec.Raw(payload))
    ack = await stream.publish(subject(world.place, command_type=odd.type), encode(odd))
    (reason,) = await reasons(world.place, ack.seq)
    assert reason.startswith("not-applicable")
    await goes_on(world, stream)


async def test_headers_of_any_kind_are_kept(world: World, stream: JetStreamContext) -> None:
    """Nothing in them stops the burial."""
    headers = {"X-Odd": "\u00e9\u2028 value", "Content-Type": "nonsense"}
    ack = await stream.publish(subject(world.place), b"odd", headers=headers)
    assert await reasons(world.place, ack.seq)
    await goes_on(world, stream)


async def test_a_message_to_an_unknown_partition_is_refused(
    world: World, stream: JetStreamContext
) -> None:
    """The stream takes only what somebody consumes: no acknowledgement, nothing lost silently."""
    with pytest.raises(nats.js.errors.NoStreamResponseError):
        await stream.publish(subject_of(TYPE, world.place.partitions), encode(envelope()))


async def test_the_same_id_twice_is_one_effect(world: World, stream: JetStreamContext) -> None:
    """Without JetStream's window, as a publisher without message ids would do it."""
    twice = envelope(key="twice", payload=msgspec.Raw(b'{"tally_id":"twice","number":5}'))
    for _ in range(2):
        await stream.publish(subject(world.place, "twice"), encode(twice))
    last = envelope(key="twice", payload=msgspec.Raw(b'{"tally_id":"twice","number":1}'))
    await stream.publish(subject(world.place, "twice"), encode(last))

    async def total() -> int:
        rows = await world.place.rows("SELECT total FROM tally.tallies WHERE tally_id = 'twice'")
        return int(rows[0][0]) if rows else 0

    await until(lambda: _is(total, 6))


async def _is(value: Any, wanted: int) -> bool:
    return bool(await value() == wanted)


@pytest.mark.parametrize(
    ("kind", "changes", "reason"),
    [
        ("tally.later", {}, "unknown-type"),
        (TYPE, {"schema_version": 99}, "newer-payload"),
        ("t\x1b]0;owned", {}, "unknown-type"),
    ],
)
async def test_what_a_partition_stands_still_for_is_said_once(
    place: Place, kind: str, changes: dict[str, Any], reason: str
) -> None:
    """Behind what is applied before it; and of its type only what can be one."""
    before, waits, behind = envelope(), envelope(type=kind, **changes), envelope()
    client = await nats.connect(place.nats_url)
    try:
        stream = client.jetstream()
        for one in (before, waits, behind):
            await stream.publish(subject(place, command_type=one.type), encode(one))
    finally:
        await client.close()
    with structlog.testing.capture_logs() as lines:
        async with running_reactor(place):
            await until(lambda: _waiting(lines))
            await until(lambda: outcome(place, before.id))
    (line,) = _waiting(lines)
    assert (line["reason"], line["command_id"], line["log_level"]) == (reason, waits.id, "warning")
    assert line["trace_id"] == trace_id(waits.traceparent)
    assert line["partition"] == partition_of(KEY, place.partitions)
    assert 500 < line["seconds"] <= 600
    assert line.get("type") == (kind if kind.isprintable() else None)
    assert line.get("schema_version") == (waits.schema_version if kind.isprintable() else None)


def _waiting(lines: Any) -> list[Any]:
    return [line for line in lines if line["event"] == "command.waiting"]
