"""A replay that was lost with its stream: it is sent again, under the same id."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import nats
import pytest

from homing.identity import replayed_command_id
from homing.partition import STREAM
from support.place import Place, delete_stream, migrate_place
from support.running import running_api, running_reactor
from support.shell import Ran, Shell
from support.waiting import until
from support.world import client

WAIT = {"Prefer": "wait=20"}


async def explode(me: httpx.AsyncClient) -> str:
    """A command that fails, as often as it is tried; its id."""
    broken = {"tally_id": "lost"}
    answer = await me.post("/api/commands/tally.explode", json=broken, headers=WAIT)
    return str(answer.json()["outcome"]["command_id"])


async def asked_for(place: Place, *words: str) -> Ran:
    """`homing dead-letters replay`."""
    shell = Shell(
        HOMING_NATS_URL=place.nats_url, HOMING_POSTGRES_URL=place.postgres_url("homing_migrator")
    )
    return await shell.run("dead-letters", "replay", *words, "--output", "json")


async def replay(place: Place, *words: str) -> list[dict[str, Any]]:
    """What was sent."""
    ran = await asked_for(place, *words)
    assert ran.code == 0, ran.err
    return ran.lines if "--all" in words else [msgspec.json.decode(ran.out)]


async def limit_stream(place: Place, room: int) -> None:
    """Let the stream take no more than so many bytes; -1 for any number."""
    broker = await nats.connect(place.nats_url)
    try:
        js = broker.jetstream()
        config = (await js.stream_info(STREAM)).config
        config.max_bytes = room
        await js.update_stream(config)
    finally:
        await broker.close()


@pytest.mark.parametrize("words", [("1",), ("--all", "--reason", "domain-error")])
async def test_a_replay_that_was_lost_with_its_stream_is_sent_again(
    place: Place, words: tuple[str, ...]
) -> None:
    """However far the new stream is applied meanwhile."""
    async with running_api(place) as url, client(url) as me, running_reactor(place):
        failed = await explode(me)
    (first,) = await replay(place, *words)  # no reactor is there to apply it
    await delete_stream(place.nats_url)
    await migrate_place(place, adopt_stream=True)
    async with running_api(place) as url, client(url) as me, running_reactor(place):
        for number in range(4):
            add = {"tally_id": "lost", "number": number}
            await me.post("/api/commands/tally.add", json=add, headers=WAIT)
        (again,) = await replay(place, *words)
        assert again["command_id"] == first["command_id"] == replayed_command_id(failed, 1)
        ran = "SELECT 1 FROM homing.outcomes WHERE command_id = $1"
        await until(lambda: place.rows(ran, again["command_id"]))
    assert (first["position"]["incarnation"], again["position"]["incarnation"]) == (1, 2)


async def test_a_replay_that_the_stream_had_no_room_for_is_not_passed_over(place: Place) -> None:
    """Else those behind it, of the same key, would be sent before it."""
    words = ("--all", "--reason", "domain-error")
    async with running_api(place) as url, client(url) as me, running_reactor(place):
        failed = [await explode(me) for _ in range(3)]
    await limit_stream(place, 1)
    full = await asked_for(place, *words)
    assert (full.code, full.lines) == (1, [])
    assert "the stream of commands is full" in full.err.lower(), full.err
    assert "0 replays were sent" in full.err
    assert "--after" not in full.err, "none was sent"
    await limit_stream(place, -1)
    assert [one["replays"] for one in await replay(place, *words)] == failed
    assert await replay(place, *words) == [], "they are pending"


async def test_a_replay_that_postgres_forgot_is_told_by_its_outcome(place: Place) -> None:
    """As when it was restored to before the replay, and has applied again what the stream has."""
    async with running_api(place) as url, client(url) as me, running_reactor(place):
        failed = await explode(me)
        await replay(place, "1")
        ran = "SELECT 1 FROM homing.outcomes WHERE command_id = $1"
        await until(lambda: place.rows(ran, replayed_command_id(failed, 1)))
    await place.rows(
        "UPDATE homing.dead_letters SET replays = 0, replayed_at = NULL,"
        " replay_incarnation = NULL, replay_sequence = NULL"
    )
    (again,) = await replay(place, "1")
    assert again["number"] == 2
