"""404 against 410: what is said of a command that is not known, and by what that is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from homing.broker import CommandStream, connect
from homing.outcome import now
from support.accidents import adopt
from support.place import Place, delete_stream
from support.running import running_api, running_reactor
from support.world import client, outcome_of

ADD = "/api/commands/tally.add"


@pytest.fixture
async def url(place: Place) -> AsyncIterator[str]:
    async with running_api(place) as url:
        yield url


@pytest.fixture
async def me(url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with client(url) as one:
        yield one


async def add(one: httpx.AsyncClient, key: str | None = None) -> str:
    """Add to a tally; where to ask what became of it."""
    headers = {"Idempotency-Key": key} if key else {}
    answer = await one.post(ADD, json={"tally_id": "t", "number": 1}, headers=headers)
    assert answer.status_code == 202, answer.text
    return answer.headers["Location"]


async def asked(one: httpx.AsyncClient, where: str) -> tuple[int, str]:
    """The status of the answer, and what it says: a problem's type, or the command's status."""
    answer = await one.get(where)
    said: dict[str, Any] = answer.json()
    if answer.status_code == 404:
        assert answer.headers["Retry-After"] == "1"
    return answer.status_code, said.get("status") if answer.status_code == 200 else said["type"]


UNKNOWN = (404, "/problems/not-known-yet")
EXPIRED = (410, "/problems/expired")


async def trim(place: Place, where: str) -> None:
    """Purge every partition up to and with this command, as its holders would in time."""
    broker = await connect(place.nats_url, "test")
    try:
        stream = CommandStream(broker)
        below = int(where.rpartition("=")[2]) + 1
        for partition in range(place.partitions):
            await stream.trim(partition, below)
    finally:
        await broker.close()


def id_of(age: timedelta) -> str:
    """A UUIDv7 of so long ago."""
    milliseconds = int((now() - age).timestamp() * 1000)
    return str(UUID(int=milliseconds << 80 | 7 << 76 | 2 << 62 | 4711))


async def test_what_was_never_sent_is_not_known(me: httpx.AsyncClient) -> None:
    """Or it was accepted a moment ago: so the answer says when to ask again."""
    assert await asked(me, f"/api/commands/{id_of(timedelta())}") == UNKNOWN
    assert await asked(me, f"/api/commands/{id_of(timedelta())}?seq=7") == UNKNOWN


async def test_what_is_pending_is_proven_by_its_place_alone(me: httpx.AsyncClient) -> None:
    """Without it nobody can know."""
    where = await add(me)
    assert await asked(me, where) == (200, "pending")
    assert await asked(me, where.partition("?")[0]) == UNKNOWN
    assert await asked(me, where.replace("=1", "=2")) == UNKNOWN


async def test_another_owners_command_looks_like_one_that_is_not_known(
    place: Place, url: str, me: httpx.AsyncClient
) -> None:
    """Pending, done or expired."""
    where = await add(me)
    async with client(url) as stranger:
        assert await asked(stranger, where) == UNKNOWN
        async with running_reactor(place):
            await outcome_of(me, where)
        assert await asked(stranger, where) == UNKNOWN
        assert await asked(stranger, where.partition("?")[0]) == UNKNOWN
        assert await asked(me, where) == (200, "succeeded")


@pytest.mark.parametrize("key", [None, "mine"])
async def test_a_trimmed_command_has_its_outcome_until_that_is_pruned(
    place: Place, me: httpx.AsyncClient, key: str | None
) -> None:
    """Then it is expired, which a derived id can tell by its trimmed place alone."""
    where = await add(me, key)
    async with running_reactor(place):
        await outcome_of(me, where)
    await trim(place, where)
    assert await asked(me, where) == (200, "succeeded")
    assert await asked(me, where.partition("?")[0]) == (200, "succeeded")
    await place.rows("DELETE FROM homing.outcomes")
    # One with a time in its id is too young for that: it is gone by an accident, not expired.
    assert await asked(me, where) == (EXPIRED if key else UNKNOWN)
    assert await asked(me, where.partition("?")[0]) == UNKNOWN


@pytest.mark.parametrize("key", [None, "mine"])
async def test_a_command_without_its_outcome_is_expired_though_the_stream_has_it(
    place: Place, me: httpx.AsyncClient, key: str | None
) -> None:
    """The last one of a partition stays there; it is applied, so it is not pending for ever."""
    where = await add(me, key)
    async with running_reactor(place):
        await outcome_of(me, where)
    await place.rows("DELETE FROM homing.outcomes")
    assert await asked(me, where) == EXPIRED
    later = await add(me)
    assert await asked(me, later) == (200, "pending")
    if key:  # a repeat within JetStream's window: nobody would ever answer it
        again = await me.post(
            ADD, json={"tally_id": "t", "number": 1}, headers={"Idempotency-Key": key}
        )
        assert (again.status_code, again.json()["type"]) == EXPIRED
        assert again.json()["command_id"] == where.split("/")[3].partition("?")[0]


async def test_what_stands_where_another_was_applied_is_pending(
    place: Place, me: httpx.AsyncClient
) -> None:
    """A stream that was put back to a copy gives sequences out again, until it is adopted."""
    await place.rows(
        "UPDATE homing.partitions SET checkpoint = 100, checkpoint_at = now() - interval '1 hour'"
    )
    where = await add(me, "mine")
    assert await asked(me, where) == (200, "pending")
    assert await add(me, "mine") == where


async def test_an_id_tells_that_it_is_older_than_outcomes_are_kept(me: httpx.AsyncClient) -> None:
    """With or without a place in the stream, whose message may be another one by now."""
    await add(me)
    for seq in ("", "?seq=1", "?seq=99"):
        assert await asked(me, f"/api/commands/{id_of(timedelta(days=31))}{seq}") == EXPIRED
        assert await asked(me, f"/api/commands/{id_of(timedelta(days=29))}{seq}") == UNKNOWN


async def test_a_trimmed_and_pruned_command_is_expired(place: Place) -> None:
    """As long after as settings say."""
    async with running_api(place, outcome_retention_days=1e-9) as url, client(url) as one:
        where = await add(one)
        async with running_reactor(place):
            await outcome_of(one, where)
        await trim(place, where)
        assert await asked(one, where) == (200, "succeeded")
        await place.rows("DELETE FROM homing.outcomes")
        assert await asked(one, where) == EXPIRED
        assert await asked(one, where.partition("?")[0]) == EXPIRED


async def test_a_place_in_an_earlier_incarnation_proves_nothing(place: Place) -> None:
    """Another command has it by now, of whomever: id and owner must match."""
    async with running_api(place) as url, client(url) as one:
        done, lost = await add(one), await add(one)
        async with running_reactor(place):
            await outcome_of(one, lost)
        await place.rows("DELETE FROM homing.outcomes WHERE sequence = 2")  # as if never applied
        cookies = one.cookies
    await delete_stream(place.nats_url)
    code, said = await adopt(place)
    assert code == 0, said
    async with (
        running_api(place) as url,
        client(url) as stranger,
        httpx.AsyncClient(base_url=url, cookies=cookies) as one,
    ):
        assert await asked(one, lost) == UNKNOWN
        for _ in range(3):
            others = await add(stranger)
        assert await asked(one, done) == (200, "succeeded")
        assert await asked(one, lost) == UNKNOWN
        assert await asked(stranger, others) == (200, "pending")
        async with running_reactor(place):
            outcome = await outcome_of(stranger, others)
        assert outcome["position"]["incarnation"] == 2
        assert (await one.get(done)).json()["position"]["incarnation"] == 1
