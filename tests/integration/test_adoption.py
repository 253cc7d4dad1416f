"""The way on when the stream is not the one that the database knows."""

from __future__ import annotations

import asyncio
import signal
from datetime import timedelta
from typing import Any

import nats
import pytest

from homing.outcome import now
from homing.partition import STREAM
from support.accidents import adopt, api_for, both, diary, migrated
from support.place import Place, delete_stream, migrate_place
from support.running import Process, running_reactor
from support.waiting import until

DAY = timedelta(days=1)
SECOND = 1 / 86_400


async def partitions(place: Place) -> list[tuple[Any, ...]]:
    """The rows of `homing.partitions`, and whose stream."""
    rows = await place.rows(
        "SELECT p.*, s.incarnation, s.created_at FROM homing.partitions p, homing.stream s"
        " ORDER BY partition"
    )
    return [tuple(row) for row in rows]


async def purge(place: Place) -> None:
    """Empty the stream, as an operator might."""
    broker = await nats.connect(place.nats_url)
    try:
        await broker.jetstream().purge_stream(STREAM)
    finally:
        await broker.close()


async def remake(place: Place) -> None:
    """A stream of the same name, made anew; the migration says that it is another one."""
    await delete_stream(place.nats_url)
    code, said = await migrated(place)
    assert code == 1
    assert "homing migrate --adopt-stream" in said


@pytest.mark.parametrize("accident", [purge, remake])
async def test_a_stream_that_lost_everything_is_adopted(place: Place, accident: Any) -> None:
    """What has its outcome keeps it; what was lost is not known, and can be sent again."""
    async with diary() as book:
        async with both(place, book) as url:
            await book.send(url, 24, wait=20)
        async with api_for(place, book) as url:
            await book.send(url, 6)
        await accident(place)
        code, said = await adopt(place, HOMING_DUPLICATE_WINDOW_SECONDS="15")
        assert code == 0, said
        async with both(place, book) as url:
            await book.send(url, 6)
            await book.settle(url)
            await book.check(url)
        assert len(book.lost) == 6
        # A purge leaves JetStream's memory of ids: nothing is accepted that is not stored.
        assert bool(book.refused) == (accident is purge)
        rows = await place.rows("SELECT DISTINCT incarnation FROM homing.outcomes ORDER BY 1")
        assert [row[0] for row in rows] == [1, 2]


async def test_processes_refuse_a_stream_made_anew_and_say_what_to_do(place: Place) -> None:
    """Neither sends commands to it nor applies any."""
    await remake(place)
    for kind in ("reactor", "api"):
        process = Process(kind, place).start()
        assert await process.wait() == 1
        assert "homing migrate --adopt-stream" in process.log


async def test_adoption_begins_anew_and_does_so_once(place: Place) -> None:
    """Incarnation and epochs + 1, nobody holds anything, nobody is suspect; then all is well."""
    async with diary() as book, both(place, book) as url:
        await book.send(url, 12, wait=20)
    await purge(place)
    await place.rows(
        "UPDATE homing.partitions SET deaths = 2, suspect = 3, suspect_deaths = 1, holder = 'dead'"
    )
    before = await partitions(place)
    code, said = await adopt(place)
    assert (code, said.count('"stream.adopted"')) == (0, 1), said
    after = await partitions(place)
    for old, new in zip(before, after, strict=True):
        assert new[:-1] == (old[0], 0, None, old[3] + 1, None, 0, None, 0, old[-2] + 1)
    code, said = await adopt(place)
    assert (code, said.count('"stream.nothing_to_adopt"')) == (0, 1), said
    assert await partitions(place) == after


async def test_adoption_is_refused_while_a_reactor_runs(place: Place) -> None:
    """Or was alive a moment ago; it says which one, and changes nothing."""
    reactor = await Process("reactor", place).start().ready()

    async def holds_all() -> bool:
        return all(row[4] for row in await partitions(place))

    await until(holds_all)
    (instance,) = await place.rows("SELECT instance FROM homing.reactors")
    await purge(place)
    try:
        for _ in range(2):  # alive, then dead for less than 15 s
            before = await partitions(place)
            code, said = await adopt(place)
            assert code == 1
            assert instance[0] in said
            assert await partitions(place) == before
            await reactor.end(signal.SIGKILL)
        await place.rows("UPDATE homing.reactors SET seen_at = now() - interval '16 s'")
        code, said = await adopt(place)
        assert code == 0, said
    finally:
        await reactor.end()


async def test_another_number_of_partitions_is_refused(place: Place) -> None:
    """Before a stream is made that this database could never go on with."""
    await delete_stream(place.nats_url)
    before = await partitions(place)
    code, said = await adopt(place, HOMING_PARTITIONS="16")
    assert code == 1
    assert "the database has 8 partitions, HOMING_PARTITIONS says 16" in said
    assert await partitions(place) == before
    assert (await adopt(place))[0] == 0


async def test_commands_older_than_outcomes_are_kept_are_listed_and_skipped(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whether they were applied cannot be known any more; what is younger is applied."""
    async with diary() as book:
        async with both(place, book) as url:
            await book.send(url, 6, wait=20)
        async with api_for(place, book) as url:
            await book.send(url, 60)
        boundary = now()
        await asyncio.sleep(6)  # they grow old
        async with api_for(place, book) as url:
            await book.send(url, 6)
        young = list(book.accepted)[-6:]
        await place.rows("UPDATE homing.partitions SET checkpoint_at = checkpoint_at + '1 s'")
        # Kept since between the two, and the margin of a twentieth.
        kept = (now() - boundary - timedelta(seconds=3)) * 20 / 19
        await migrate_place(place, adopt_stream=True, outcome_retention_days=kept / DAY)
        assert "stream.skipped" in capsys.readouterr().out
        skipped = await partitions(place)
        assert sum(bool(row[1]) for row in skipped) > 1
        book.accepted = {key: book.accepted[key] for key in young}
        async with both(place, book) as url:
            await book.settle(url)
        rows = await place.rows("SELECT sum(count) FROM tally.tallies")
        assert rows[0][0] == 6 + 6


async def test_what_a_reactor_forgot_early_is_not_applied_again(place: Place) -> None:
    """Its outcomes are gone sooner than the adoption's own settings say."""
    async with diary() as book:
        brief = {"command_retention_days": SECOND, "outcome_retention_days": SECOND * 1.5}
        async with (
            running_reactor(place, retention_pace_seconds=0.2, **brief),
            api_for(place, book) as url,
        ):
            await book.send(url, 12, wait=20)
            await until(lambda: _nothing_kept(place))
        async with api_for(place, book) as url:
            await book.send(url, 6)
        young = list(book.accepted)[-6:]
        await place.rows("UPDATE homing.partitions SET checkpoint_at = checkpoint_at + '1 s'")
        await migrate_place(place, adopt_stream=True)
        book.accepted = {key: book.accepted[key] for key in young}
        async with both(place, book) as url:
            await book.settle(url)
        rows = await place.rows("SELECT sum(count) FROM tally.tallies")
        assert rows[0][0] == 12 + 6


async def _nothing_kept(place: Place) -> bool:
    return await place.rows("SELECT 1 FROM homing.outcomes") == []


async def test_a_process_from_before_an_adoption_begins_again(place: Place) -> None:
    """It would write the old incarnation: here a reactor that was frozen meanwhile."""
    reactor = await Process("reactor", place, HOMING_RETENTION_PACE_SECONDS="0.5").start().ready()
    try:
        reactor.send(signal.SIGSTOP)
        await place.rows("UPDATE homing.reactors SET seen_at = now() - interval '16 s'")
        await purge(place)
        await remake(place)
        code, said = await adopt(place)
        assert code == 0, said
        reactor.send(signal.SIGCONT)
        assert await reactor.wait() == 1
        assert "adopted since this process began" in reactor.log
    finally:
        await reactor.end(signal.SIGKILL)
