"""Lag, over a stream in memory: what it is, and that what is not known is never a 0."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
import yaml

from homing import lag as lag_module
from homing.broker import Beyond
from homing.errors import BrokerUnavailable, LagUnknown, StorageUnavailable
from homing.identity import new_command_id, traceparent
from homing.lag import Lag
from homing.partition import subject_of
from homing.storage import Checkpoint
from homing.testing.memory_broker import MemoryBroker

OBSERVABILITY = Path(__file__).parents[2] / "docs" / "observability.md"


class Stream(MemoryBroker):
    """Counts who looks beyond, and can be a replica that is behind."""

    looks = 0
    behind = False

    async def beyond(self, after: Mapping[int, int]) -> dict[int, Beyond]:
        """As it is, or as if nothing had arrived yet."""
        self.looks += 1
        found = await super().beyond(after)
        return (
            {n: one._replace(commands=0, oldest_at=None) for n, one in found.items()}
            if (self.behind)
            else found
        )

    async def store(self, *partitions: int) -> None:
        """A command in each of these."""
        for number in partitions:
            subject = subject_of("tally.add", number)
            await self.publish(new_command_id(), subject, b"x", traceparent())


class Here:
    """A stream, checkpoints, and the lag between them, which is measured at each call."""

    def __init__(self) -> None:
        self.stream = Stream(4)
        self.applied = dict.fromkeys(range(4), 0)
        self.lag = Lag()
        self.lag.measure_by(self.checkpoints, self.stream)

    async def checkpoints(self) -> dict[int, Checkpoint]:
        """As Postgres has them."""
        times = {message.sequence: message.at for message in self.stream.messages.values()}
        return {n: Checkpoint(one, times.get(one)) for n, one in self.applied.items()}

    async def numbers(self) -> tuple[int, int]:
        """(gap, partitions)."""
        measured = await self.lag.measured()
        return measured.gap, measured.partitions


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Here:
    monkeypatch.setattr(lag_module, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(lag_module, "SHARE", 0)
    return Here()


async def test_what_is_beyond_the_checkpoints_is_the_gap(here: Here) -> None:
    """Summed over partitions; the age is the oldest one's, and it grows by the stream's clock."""
    assert await here.numbers() == (0, 0)
    await here.stream.store(1, 1)
    here.stream.pass_time(30)
    await here.stream.store(2)
    measured = await here.lag.measured()
    assert (measured.gap, measured.partitions) == (3, 2)
    assert measured.oldest_seconds == pytest.approx(30, abs=1)
    here.applied[1] = 2
    measured = await here.lag.measured()
    assert (measured.gap, measured.partitions) == (1, 1)
    assert measured.oldest_seconds == pytest.approx(0, abs=1)
    here.applied[2] = 3
    assert await here.numbers() == (0, 0)
    assert (await here.lag.measured()).oldest_seconds == 0


async def test_nothing_is_looked_for_while_nothing_has_changed(here: Here) -> None:
    """Idle, it costs two questions; one new command, and each partition is asked again."""
    await here.stream.store(1)
    here.applied[1] = 1
    for _ in range(5):
        assert await here.numbers() == (0, 0)
    assert here.stream.looks == 1
    await here.stream.store(1)
    assert await here.numbers() == (1, 1)


async def test_a_moved_checkpoint_is_seen_though_the_stream_stands_still(here: Here) -> None:
    """A database restored to an earlier moment has commands to apply again."""
    await here.stream.store(1, 2)
    here.applied.update({1: 1, 2: 2})
    assert await here.numbers() == (0, 0)
    here.applied[1] = 0
    assert await here.numbers() == (1, 1)


async def test_a_stream_behind_the_database_is_unknown(here: Here) -> None:
    """Restored or rolled back, it says nothing of what is missing."""
    await here.stream.store(1)
    here.applied[1] = 7
    with pytest.raises(LagUnknown, match="ends before"):
        await here.lag.measured()


async def test_a_stream_that_was_made_anew_is_unknown(here: Here) -> None:
    """Its sequences were used before: what lies below the checkpoints was never applied."""
    await here.stream.store(1, 1, 1)
    here.applied[1] = 3
    assert await here.numbers() == (0, 0)
    old = await here.checkpoints()
    here.stream = Stream(4)
    here.stream.pass_time(1)
    await here.stream.store(1, 1, 1, 1)

    async def checkpoints() -> dict[int, Checkpoint]:
        return old

    here.lag.measure_by(checkpoints, here.stream)
    with pytest.raises(LagUnknown, match="message 3 of the stream"):
        await here.lag.measured()


async def test_a_replica_that_is_behind_is_not_believed(here: Here) -> None:
    """It finds nothing, but the leader has a last command that no checkpoint has reached."""
    await here.stream.store(1)
    here.stream.behind = True
    with pytest.raises(BrokerUnavailable, match="behind"):
        await here.lag.measured()
    here.stream.behind = False
    assert await here.numbers() == (1, 1)


async def test_what_cannot_be_measured_is_a_503_and_no_number(here: Here) -> None:
    """Before the start, with Postgres away, with a server that does not answer in time."""
    status, kind, body = await Lag().answer(b"")
    assert (status, kind) == (503, "application/problem+json")
    assert b"not started" in body

    async def away() -> dict[int, Checkpoint]:
        raise StorageUnavailable("away")

    here.lag.measure_by(away, here.stream)
    status, _, body = await here.lag.answer(b"")
    assert status == 503
    assert b"away" in body
    here.lag.measure_by(here.checkpoints, here.stream)
    assert (await here.lag.answer(b""))[0] == 200


async def test_an_autoscaler_finds_its_number(here: Here) -> None:
    """At the place in the JSON that the documented trigger names."""
    blocks = re.findall(r"```yaml\n(.*?)```", OBSERVABILITY.read_text("utf-8"), re.DOTALL)
    (trigger,) = yaml.safe_load(blocks[0])["spec"]["triggers"]
    assert trigger["type"] == "metrics-api"
    await here.stream.store(1, 1, 2)
    _, _, body = await here.lag.answer(b"")
    value = msgspec.json.decode(body)
    for part in trigger["metadata"]["valueLocation"].split("."):
        value = value[part]
    assert value == 3


async def test_a_server_that_hangs_is_a_503_in_time(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bound is the measurement's own, whatever the drivers' are; all who ask share it."""
    monkeypatch.setattr(lag_module, "PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(lag_module, "FRESH_SECONDS", 10.0)
    never = asyncio.Event()

    async def hangs() -> dict[int, Checkpoint]:
        await never.wait()
        return {}

    here.lag.measure_by(hangs, here.stream)
    async with asyncio.timeout(2):
        answers = await asyncio.gather(*(here.lag.answer(b"") for _ in range(20)))
    assert {answer[0] for answer in answers} == {503}


async def test_within_a_second_all_get_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many ask, at once or one after another."""
    monkeypatch.setattr(lag_module, "FRESH_SECONDS", 60.0)
    here = Here()
    await here.stream.store(1)
    first = await here.lag.measured()
    await here.stream.store(1)
    assert await asyncio.gather(*(here.lag.measured() for _ in range(3))) == [first] * 3
    assert here.stream.looks == 1


async def test_a_look_that_takes_long_is_taken_more_seldom(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a deep backlog the server counts for long, and has something better to do."""
    monkeypatch.setattr(lag_module, "SHARE", 1000)
    await here.stream.store(1)
    first = await here.lag.measured()
    assert await here.lag.measured() is first
    assert here.stream.looks == 1
