"""Both stores put back to copies, together or alone, to different moments, in either order.

The judge is the client's own log of what was accepted and what it was told.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from support.accidents import Diary, adopt, api_for, both, diary
from support.backup import Backups, own_servers
from support.place import Place, fresh_place
from support.running import Process
from support.waiting import until

MORE = 12


@pytest.fixture
async def backups() -> AsyncIterator[Backups]:
    async with own_servers() as backups:
        yield backups


@pytest.fixture
async def place(backups: Backups) -> AsyncIterator[Place]:
    async with fresh_place(backups.servers) as place:
        yield place


async def live(place: Place, book: Diary, backups: Backups) -> None:
    """Commands before, between and after the copies `old` and `young`; some are not applied yet."""
    for name in ("old", "young"):
        async with both(place, book) as url:
            await book.send(url, MORE, wait=20)
        async with api_for(place, book) as url:
            await book.send(url, MORE)
        await backups.save(name)
    async with both(place, book) as url:
        await book.send(url, MORE, wait=20)
        await book.settle(url)
    async with api_for(place, book) as url:
        await book.send(url, MORE)


async def incarnation(place: Place) -> int:
    """How often a stream was adopted, and one."""
    return int((await place.rows("SELECT incarnation FROM homing.stream"))[0][0])


async def test_postgres_restored_to_an_older_moment_goes_on_by_itself(
    place: Place, backups: Backups
) -> None:
    """The stream has everything that was accepted since: it is applied again, in order."""
    async with diary() as book:
        await live(place, book, backups)
        await backups.restore("old", "postgres")
        async with both(place, book) as url:
            await book.send(url, MORE)
            await book.settle(url)
            await book.check(url)
        assert not book.lost
    assert await incarnation(place) == 1


async def test_a_stream_restored_to_an_older_moment_waits_for_adoption(
    place: Place, backups: Backups
) -> None:
    """Its sequences are given out again; nothing of that is skipped, and nothing applied twice."""
    async with diary() as book:
        await live(place, book, backups)
        await backups.restore("old", "nats")
        before = await place.rows("SELECT count(*) FROM homing.outcomes")
        reactor = await Process("reactor", place).start().ready()
        try:
            async with api_for(place, book) as url:
                await book.send(url, MORE * 4)  # beyond the checkpoints
                await until(lambda: reactor.log.count("stream.mismatch") >= 8)
            assert "homing migrate --adopt-stream" in reactor.log
            assert await place.rows("SELECT count(*) FROM homing.outcomes") == before
        finally:
            await reactor.end()
        code, said = await adopt(place)
        assert code == 0, said
        async with both(place, book) as url:
            await book.settle(url)
            await book.check(url)
        # What was accepted after the copy and not applied was in the lost stream alone.
        assert len(book.lost) == MORE
    assert await incarnation(place) == 2


@pytest.mark.parametrize("first", ["nats", "postgres"])
@pytest.mark.parametrize("older", ["nats", "postgres"])
async def test_both_restored_to_different_moments_go_on(
    place: Place, backups: Backups, first: str, older: str
) -> None:
    """Whichever is older, and whichever was put back first."""
    second = {"nats": "postgres", "postgres": "nats"}[first]
    async with diary() as book:
        await live(place, book, backups)
        for store in (first, second):
            await backups.restore("old" if store == older else "young", store)
        code, said = await adopt(place)
        assert code == 0, said
        async with both(place, book) as url:
            await book.send(url, MORE)
            await book.settle(url)
            await book.check(url)
        assert book.lost
    assert await incarnation(place) == (2 if older == "nats" else 1)
