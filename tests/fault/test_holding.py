"""Holding under fire: stand-bys, wrong clocks, a holder that wakes up too late, hand-overs.

What clients know by themselves has to add up each time: nothing lost, doubled or out of order.
"""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import count
from pathlib import Path

import pytest

from homing.partition import partition_of
from support.faulty import FREEZES, SKEW
from support.ledger import Client, check, new_client
from support.place import Place, Servers, fresh_place
from support.running import Process, running_api, running_reactor
from support.waiters import waiters
from support.waiting import until

SHORT = {"HOMING_LEASE_SECONDS": "1"}
LONG = {"HOMING_LEASE_SECONDS": "60"}
"""Of a lease: whoever had to wait for this one would wait past every deadline of these tests."""


@asynccontextmanager
async def processes(*all_of_them: Process) -> AsyncIterator[None]:
    """Ready at the beginning, gone at the end."""
    try:
        await asyncio.gather(*(one.start().ready() for one in all_of_them))
        yield
    finally:
        for one in all_of_them:
            await one.end(signal.SIGKILL)


async def holders(place: Place) -> Counter[str]:
    """How many partitions each live reactor has."""
    rows = await place.rows("SELECT holder FROM homing.partitions WHERE holder IS NOT NULL")
    return Counter(row[0] for row in rows)


async def epochs(place: Place) -> list[int]:
    """How many holders each partition has had."""
    rows = await place.rows("SELECT epoch FROM homing.partitions ORDER BY partition")
    return [row[0] for row in rows]


async def shared(place: Place, *counts: int) -> None:
    """Wait until the reactors hold so many partitions each."""

    async def as_wanted() -> bool:
        return sorted((await holders(place)).values()) == sorted(counts)

    await until(as_wanted)


def pid_of(holder: str) -> int:
    """The process of an instance."""
    return int(holder.split("-")[-2])


def keys_of_all(place: Place) -> list[str]:
    """A key of each partition."""
    found: dict[int, str] = {}
    for number in count():
        found.setdefault(partition_of(f"key-{number}", place.partitions), f"key-{number}")
        if len(found) == place.partitions:
            return list(found.values())
    raise AssertionError


@asynccontextmanager
async def sender(url: str) -> AsyncIterator[Client]:
    """A client that listens; at the end everything has come home and adds up."""
    client = await new_client(url, "sender")
    listening = client.listen()
    try:
        await until(lambda: client.ears[0].open)
        yield client
        await until(lambda: client.complete, 40)
        check([client])
    finally:
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)
        await client.http.aclose()


async def test_more_reactors_than_partitions(servers: Servers) -> None:
    """Those without any stand by, and one of them takes over what a dead one held."""
    async with fresh_place(servers, partitions=2) as place, running_api(place) as url:
        reactors = [Process("reactor", place, **SHORT) for _ in range(4)]
        async with processes(*reactors), sender(url) as client:
            await shared(place, 1, 1)
            sending = [
                asyncio.create_task(client.send(key, range(12), pause=0.25))
                for key in keys_of_all(place)
            ]
            for _ in range(2):
                doomed = next(iter(await holders(place)))
                (victim,) = [one for one in reactors if one.pid == pid_of(doomed)]
                await victim.end(signal.SIGKILL)
                await until(lambda gone=doomed: _holds_no_more(place, gone), 4)
                await shared(place, 1, 1)
            await asyncio.gather(*sending)


async def _holds_no_more(place: Place, holder: str) -> bool:
    return holder not in await holders(place)


async def test_clocks_that_are_minutes_apart(place: Place) -> None:
    """Only the database's counts: nobody's partitions are stolen, nobody keeps a dead one's."""
    ahead, behind = (
        Process("reactor", place, ["skewed"], **SHORT, **{SKEW: seconds})
        for seconds in ("420", "-420")
    )
    async with running_api(place) as url, processes(ahead, behind), sender(url) as client:
        await shared(place, 4, 4)
        before = await epochs(place)
        keys = keys_of_all(place)
        await asyncio.gather(*(client.send(key, range(10), pause=0.4) for key in keys))
        assert await epochs(place) == before, "four leases long, and nobody lost any"
        await until(lambda: client.complete)
        assert sorted({round(_skew(one)) for one in client.ears[0].outcomes.values()}) == [-7, 7]
        await ahead.end(signal.SIGKILL)
        await shared(place, 8)
        await asyncio.gather(*(client.send(key, range(10, 12)) for key in keys))


def _skew(outcomes: list[dict[str, dict[str, str]]]) -> float:
    """Minutes between the clocks of the API and of the reactor that decided."""
    timeline = outcomes[0]["timeline"]
    accepted, decided = (
        datetime.fromisoformat(timeline[name]) for name in ("accepted_at", "decided_at")
    )
    return (decided - accepted).total_seconds() / 60


@pytest.mark.parametrize("point", FREEZES)
async def test_a_holder_that_wakes_up_when_it_was_replaced(
    place: Place, tmp_path: Path, point: str
) -> None:
    """Its successor is at work; what it had in hand is fenced, and nothing of it counts twice."""
    flag = tmp_path / "flag"
    flag.touch()
    reactors = [Process("reactor", place, [point, str(flag)], **SHORT) for _ in range(2)]
    async with running_api(place) as url, processes(*reactors), sender(url) as client:
        await shared(place, 4, 4)
        keys = keys_of_all(place)
        sending = [asyncio.create_task(client.send(key, range(30), pause=0.2)) for key in keys]
        await until(lambda: any(_stands_still(one.pid) for one in reactors))
        (frozen,) = [one for one in reactors if _stands_still(one.pid)]
        await shared(place, 8)
        before = await _applied(place)
        await until(lambda: _more(place, before))
        frozen.send(signal.SIGCONT)
        await asyncio.gather(*sending)
        await shared(place, 4, 4)
    # Its connection is gone, and its leases: whichever of the two it sees first when it wakes.
    woken = ["partition.lost", '"verdict": "stuck"']
    expected = ["partition.fenced"] if point == "frozen-delivered" else woken
    assert any(sign in frozen.log for sign in expected)
    rows = await place.rows("SELECT count FROM tally.tallies")
    assert [row[0] for row in rows] == [30] * len(keys)


def _stands_still(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text("utf-8").rsplit(")", 1)[1].split()[0] == "T"


async def _applied(place: Place) -> int:
    return int((await place.rows("SELECT count(*) FROM homing.outcomes"))[0][0])


async def _more(place: Place, before: int) -> bool:
    return await _applied(place) > before + place.partitions


async def test_surplus_is_released_after_the_round_in_hand(place: Place) -> None:
    """A second reactor joins while each round takes a second: nothing is fenced or done again."""
    slow = Process("reactor", place, ["slow"], **LONG)
    async with running_api(place) as url, processes(slow), sender(url) as client:
        await shared(place, 8)
        keys = keys_of_all(place)
        sending = [asyncio.create_task(client.send(key, range(6), pause=0.2)) for key in keys]
        await until(lambda: _more(place, 0))
        async with running_reactor(place, lease_seconds=60):
            await shared(place, 4, 4)
            await asyncio.gather(*sending)
            await until(lambda: client.complete)
    assert "partition.fenced" not in slow.log
    assert "round.failed" not in slow.log


async def test_a_hand_over_in_the_middle_of_a_round(place: Place, tmp_path: Path) -> None:
    """SIGTERM: the round is finished and told, the rest is the next one's, without a lease."""
    flag = tmp_path / "flag"
    flag.touch()
    slow = Process("reactor", place, ["slow", str(flag)], **LONG)
    async with running_api(place) as url, waiters(url, "t") as group, processes(slow):
        await shared(place, 8)
        held = [asyncio.create_task(group.hold(number)) for number in range(3)]
        await until(lambda: not flag.exists())
        assert await _applied(place) == 0
        assert await slow.end(signal.SIGTERM) == 0
        assert await _applied(place) > 0
        async with asyncio.timeout(5), running_reactor(place, lease_seconds=60):
            await asyncio.gather(*held)
    assert "partition.fenced" not in slow.log
    assert "round.failed" not in slow.log
    rows = await place.rows("SELECT count, total FROM tally.tallies")
    assert [tuple(row) for row in rows] == [(3, 3)]
