"""An owner's stream may break behind any event: its cursor must never have run ahead."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import NamedTuple

import pytest

from homing.outcome import OwnerToken, Stored
from homing.storage import NIL, Database, Look, Outcomes, Placed
from homing_api.cursor import Cursor, parse
from homing_api.hub import Hub
from homing_api.streaming import Streaming, Told
from homing_api.streams import Caps, Streams
from homing_api.sweeping import Sweeper
from homing_api.waits import Waits
from support.place import Place
from support.rows import Writer, made, somebody, writer
from support.sse import Parser

ME = OwnerToken(somebody("me"))
INCARNATION = 1


async def nothing() -> None:
    """Do nothing."""


class Step(NamedTuple):
    """What one frame told, and the cursor that a client has behind it."""

    told: list[str]
    cursor: str


class Interrupted(Outcomes):
    """The real store, with something going on right before and right after a page is read."""

    before: Callable[[], Awaitable[None]] = staticmethod(nothing)
    after: Callable[[], Awaitable[None]] = staticmethod(nothing)

    async def own_since(self, *where: object) -> list[Placed]:  # type: ignore[override]
        """As it is."""
        await self.before()
        page = await super().own_since(*where)  # type: ignore[arg-type]
        await self.after()
        return page


class Replica:
    """The part of one API process that an owner's stream comes through."""

    def __init__(self, database: Database, seen: Look) -> None:
        self.outcomes = Interrupted(database)
        hub = Hub(self.outcomes.read)
        self.sweeper = Sweeper(hub, self.outcomes, seen)
        streams = Streams(Caps(per_owner=6, in_all=6, lifetime_seconds=60))
        self.streaming = Streaming(streams, hub, self.outcomes, self.sweeper, INCARNATION, Waits())

    async def told(self, start: str, wanted: set[str]) -> list[Step]:
        """What a stream tells from a cursor on, until it has told all that is wanted."""
        parser, steps, seen = Parser(), list[Step](), set[str]()
        async with aclosing(self.streaming.of_owner(ME, Told(start, ()))) as frames:
            async for frame in frames:
                told = [event.json["command_id"] for event in parser.feed(frame)]
                steps.append(Step(told, parser.last_event_id or start))
                seen.update(told)
                if wanted <= seen:
                    return steps
        raise AssertionError("the stream ended")


@pytest.fixture
async def here(place: Place) -> AsyncIterator[Replica]:
    database = await Database.open(place.postgres_url("homing_api"), 3)
    try:
        yield Replica(database, await Outcomes(database).look())
    finally:
        await database.close()


@pytest.fixture
async def reactor(place: Place) -> AsyncIterator[Writer]:
    async with writer(place) as one:
        yield one


async def cursor_now(here: Replica) -> str:
    """The cursor of a stream that has told everything until now."""
    bounds = await here.outcomes.bounds()
    return str(Cursor(INCARNATION, bounds.timeline, bounds.oldest_running))


async def never_ahead(here: Replica, start: str, steps: list[Step]) -> None:
    """Behind each frame, everything that is not told yet is found again from its cursor on."""
    begun = parse(start)
    assert begun is not None
    rows = await Outcomes.own_since(here.outcomes, ME, begun.horizon, NIL, 1000)
    left = {placed.stored.outcome.command_id: placed.xid for placed in rows}
    for step in steps:
        for command_id in step.told:
            left.pop(command_id)  # each is told once
        cursor = parse(step.cursor)
        assert cursor is not None
        assert all(xid >= cursor.horizon for xid in left.values()), step.cursor
    assert not left


async def write(reactor: Writer, count: int) -> set[str]:
    """So many outcomes, each in a transaction of its own, none of them announced."""
    all_of_them: list[Stored] = [made(ME) for _ in range(count)]
    for stored in all_of_them:
        await reactor.write(stored)
    return {stored.outcome.command_id for stored in all_of_them}


async def test_what_is_swept_before_history_is_read(here: Replica, reactor: Writer) -> None:
    """Heard live, though it is history: it comes with the cursor of history."""
    start = await cursor_now(here)
    wanted = await write(reactor, 20)
    here.outcomes.before = here.sweeper.sweep
    await never_ahead(here, start, await here.told(start, wanted))


async def test_what_comes_while_history_is_read(here: Replica, reactor: Writer) -> None:
    """Heard live, and not in the page: no event before it may carry a cursor behind it."""
    start = await cursor_now(here)
    wanted = await write(reactor, 3)

    async def more() -> None:
        wanted.update(await write(reactor, 3))
        await here.sweeper.sweep()
        await here.sweeper.sweep()  # the horizon is now behind all of them

    here.outcomes.after = more
    await never_ahead(here, start, await here.told(start, wanted))


async def test_ids_of_more_digits_come_after_those_of_fewer(
    here: Replica, reactor: Writer, place: Place
) -> None:
    """999 before 1000, in pages of any size, forwards and backwards: a number, not its text."""
    await write(reactor, 6)
    await place.rows(
        "UPDATE homing.outcomes o SET xid = (998 + n)::text::xid8 FROM "
        "(SELECT command_id, row_number() OVER () AS n FROM homing.outcomes) numbered "
        "WHERE o.command_id = numbered.command_id"
    )
    told = [
        [placed.xid async for placed in _paged(ask, begin)]
        for ask, begin in ((here.outcomes.own_since, 0), (here.outcomes.own_before, 2**63 - 1))
    ]
    assert told == [list(range(999, 1005)), list(range(1004, 998, -1))]


async def _paged(ask: Callable[..., Awaitable[list[Placed]]], begin: int) -> AsyncIterator[Placed]:
    """All that there is, by two."""
    where = (begin, NIL)
    while page := await ask(ME, *where, 2):
        for placed in page:
            yield placed
        where = (page[-1].xid, page[-1].stored.outcome.command_id)
