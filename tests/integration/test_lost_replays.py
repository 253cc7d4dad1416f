"""A replay that was lost with its stream: it is sent again, under the same id."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest

from homing.identity import replayed_command_id
from support.place import Place, delete_stream, migrate_place
from support.running import running_api, running_reactor
from support.shell import Shell
from support.waiting import until
from support.world import client

WAIT = {"Prefer": "wait=20"}


async def explode(me: httpx.AsyncClient) -> str:
    """A command that fails, as often as it is tried; its id."""
    broken = {"tally_id": "lost"}
    answer = await me.post("/api/commands/tally.explode", json=broken, headers=WAIT)
    return str(answer.json()["outcome"]["command_id"])


async def replay(place: Place, *words: str) -> list[dict[str, Any]]:
    """`homing dead-letters replay`: what was sent."""
    shell = Shell(
        HOMING_NATS_URL=place.nats_url, HOMING_POSTGRES_URL=place.postgres_url("homing_migrator")
    )
    ran = await shell.run("dead-letters", "replay", *words, "--output", "json")
    assert ran.code == 0, ran.err
    return ran.lines if "--all" in words else [msgspec.json.decode(ran.out)]


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
