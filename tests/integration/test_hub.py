"""No interleaving may lose an outcome: each way that it can come is forced, on a real store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from homing.outcome import OwnerToken, Stored
from homing.storage import Database, Look, Outcomes
from homing_api.hub import Hub
from homing_api.sweeping import Sweeper
from support.place import Place
from support.rows import Writer, announcement, made, somebody, writer

ME = somebody("me")
SECONDS = 5.0


class Gate:
    """Reads from the real store, but waits at its door and on its step, as a test says."""

    def __init__(self, outcomes: Outcomes) -> None:
        self._outcomes = outcomes
        self.asked = asyncio.Event()
        self.door = asyncio.Event()
        self.has_read = asyncio.Event()
        self.step = asyncio.Event()

    def open(self) -> None:
        """Hold nothing up."""
        self.door.set()
        self.step.set()

    async def read(self, ids: Sequence[str]) -> list[Stored]:
        """As `Outcomes.read`."""
        self.asked.set()
        await self.door.wait()
        found = await self._outcomes.read(ids)
        self.has_read.set()
        await self.step.wait()
        return found


class Replica:
    """The part of one API process that outcomes come through."""

    def __init__(self, outcomes: Outcomes, seen: Look) -> None:
        self.gate = Gate(outcomes)
        self.hub = Hub(self.gate.read)
        self.sweeper = Sweeper(self.hub, outcomes, seen)


@asynccontextmanager
async def replica(place: Place) -> AsyncIterator[Replica]:
    """One, that reads for ever and sweeps when told to."""
    database = await Database.open(place.postgres_url("homing_api"), 3)
    outcomes = Outcomes(database)
    one = Replica(outcomes, await outcomes.look())
    reading = asyncio.create_task(one.hub.read_stored())
    try:
        yield one
    finally:
        reading.cancel()
        await database.close()


@pytest.fixture
async def here(place: Place) -> AsyncIterator[Replica]:
    async with replica(place) as one:
        yield one


@pytest.fixture
async def reactor(place: Place) -> AsyncIterator[Writer]:
    async with writer(place) as one:
        yield one


class Ear:
    """One who waits, and everything that was said to it."""

    def __init__(self) -> None:
        self.heard: list[Stored] = []
        self._came = asyncio.Event()

    def __call__(self, stored: Stored) -> None:
        self.heard.append(stored)
        self._came.set()

    async def once(self) -> Stored:
        """The outcome; it must have come exactly once."""
        async with asyncio.timeout(SECONDS):
            await self._came.wait()
        await asyncio.sleep(0)
        assert len(self.heard) == 1
        return self.heard[0]


async def test_an_outcome_from_before_is_read(here: Replica, reactor: Writer) -> None:
    """Stored and announced before anybody listened."""
    stored, ear = made(ME), Ear()
    await reactor.write(stored)
    here.hub.announced(ME, stored.outcome.command_id, announcement(stored))
    here.gate.open()
    with here.hub.awaiting(ME, stored.outcome.command_id, ear, read=True):
        assert (await ear.once()).outcome.command_id == stored.outcome.command_id


async def test_an_outcome_between_listening_and_reading(here: Replica, reactor: Writer) -> None:
    """It is announced after the listening began and before the store was asked: told once."""
    stored, ear = made(ME), Ear()
    with here.hub.awaiting(ME, stored.outcome.command_id, ear, read=True):
        await here.gate.asked.wait()
        await reactor.write(stored)
        here.hub.announced(ME, stored.outcome.command_id, announcement(stored))
        here.gate.open()
        await here.gate.has_read.wait()
        await ear.once()


async def test_an_outcome_between_reading_and_live(here: Replica, reactor: Writer) -> None:
    """The store was read and had nothing; the announcement comes before the reading is over."""
    stored, ear = made(ME), Ear()
    here.gate.door.set()
    with here.hub.awaiting(ME, stored.outcome.command_id, ear, read=True):
        await here.gate.has_read.wait()
        await reactor.write(stored)
        here.hub.announced(ME, stored.outcome.command_id, announcement(stored))
        here.gate.step.set()
        await ear.once()


async def test_an_outcome_that_is_never_announced_is_swept(here: Replica, reactor: Writer) -> None:
    """The reactor died between its commit and its announcement."""
    stored, ear = made(ME), Ear()
    here.gate.open()
    with here.hub.awaiting(ME, stored.outcome.command_id, ear, read=True):
        await here.gate.has_read.wait()
        await reactor.write(stored)
        await here.sweeper.sweep()
        await ear.once()


async def test_an_outcome_that_only_another_replica_heard_is_swept(
    place: Place, here: Replica, reactor: Writer
) -> None:
    """Core NATS dropped it at this one; nobody is told twice."""
    stored, ear, other_ear = made(ME), Ear(), Ear()
    here.gate.open()
    async with replica(place) as there:
        there.gate.open()
        with (
            here.hub.awaiting(ME, stored.outcome.command_id, ear, read=True),
            there.hub.awaiting(ME, stored.outcome.command_id, other_ear, read=True),
        ):
            await here.gate.has_read.wait()
            await reactor.write(stored)
            there.hub.announced(ME, stored.outcome.command_id, announcement(stored))
            await here.sweeper.sweep()
            await there.sweeper.sweep()
            await ear.once()
            await other_ear.once()


async def test_a_slow_transaction_is_not_swept_past(here: Replica, reactor: Writer) -> None:
    """One that began early and commits late has a low id: the horizon waits for it."""
    slow, quick = made(ME), made(ME)
    slow_ear, quick_ear = Ear(), Ear()
    here.gate.open()
    with (
        here.hub.awaiting(ME, slow.outcome.command_id, slow_ear, read=True),
        here.hub.awaiting(ME, quick.outcome.command_id, quick_ear, read=True),
    ):
        async with reactor.writing(slow):
            await reactor.write(quick)
            await here.sweeper.sweep()
            await quick_ear.once()
            await here.sweeper.sweep()
            assert slow_ear.heard == []
        await here.sweeper.sweep()
        await slow_ear.once()


async def test_a_feed_hears_each_outcome_of_its_owner_once(here: Replica, reactor: Writer) -> None:
    """Announced twice and swept twice is told once; another owner's never."""
    mine, strangers, ear = made(ME), made(somebody("else")), Ear()
    with here.hub.feeding(ME, ear):
        await reactor.write(mine, strangers)
        for stored in (mine, strangers, mine):
            here.hub.announced(stored.owner, stored.outcome.command_id, announcement(stored))
        await here.sweeper.sweep()
        await here.sweeper.sweep()
        assert (await ear.once()).owner == ME


async def test_who_waits_for_anothers_command_hears_nothing(here: Replica, reactor: Writer) -> None:
    """Neither from the store nor live nor by the sweep."""
    stored, ear = made(somebody("else")), Ear()
    here.gate.open()
    with here.hub.awaiting(ME, stored.outcome.command_id, ear, read=True):
        await here.gate.has_read.wait()
        await reactor.write(stored)
        here.hub.announced(stored.owner, stored.outcome.command_id, announcement(stored))
        await here.sweeper.sweep()
    with here.hub.awaiting(ME, stored.outcome.command_id, ear, read=True):
        here.gate.has_read.clear()
        await here.gate.has_read.wait()
    assert ear.heard == []


async def test_nobody_is_remembered_who_has_left(here: Replica) -> None:
    """What waited and left takes no memory."""
    here.gate.open()
    ids = [made(ME).outcome.command_id for _ in range(100)]
    for command_id in ids:
        with here.hub.awaiting(ME, command_id, Ear(), read=True), here.hub.feeding(ME, Ear()):
            pass
    assert not any(here.hub.wanted(ME, command_id) for command_id in ids)
    assert vars(here.hub)["_waiting"] == {}
    assert vars(here.hub)["_feeds"] == {}
    assert not vars(here.hub)["_unread"]


async def test_many_outcomes_are_swept_page_by_page(
    here: Replica, reactor: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than a page of the sweep loses nothing."""
    monkeypatch.setattr("homing.storage.outcomes.PAGE", 7)
    all_of_them = [made(ME) for _ in range(40)]
    ear = Ear()
    with here.hub.feeding(OwnerToken(ME), ear):
        await reactor.write(*all_of_them)
        await here.sweeper.sweep()
    told = [stored.outcome.command_id for stored in ear.heard]
    assert sorted(told) == sorted(stored.outcome.command_id for stored in all_of_them)
