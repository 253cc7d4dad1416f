"""`homing dead-letters`: look, replay, discard; a replay is one new command, told to its owner."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest

from homing.identity import replayed_command_id
from homing.partition import subject_of
from support.letters import outcome, publish, stray
from support.place import Servers
from support.shell import Ran, Shell
from support.sse import listening, told_of
from support.waiting import until
from support.world import World, running_world

ADD = "/api/commands/tally.add"
WAIT = {"Prefer": "wait=20"}


@pytest.fixture(scope="module")
async def world(servers: Servers) -> AsyncIterator[World]:
    async with running_world(servers) as world:
        yield world


@pytest.fixture
async def me(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with world.session() as one:
        yield one


@pytest.fixture
def shell(world: World) -> Shell:
    return Shell(
        HOMING_NATS_URL=world.place.nats_url,
        HOMING_POSTGRES_URL=world.place.postgres_url("homing_migrator"),
    )


async def letters(shell: Shell, verb: str, *words: str) -> Ran:
    """`homing dead-letters`, in JSON."""
    output = () if verb == "discard" else ("--output", "json")
    return await shell.run("dead-letters", verb, *words, *output)


async def listed(shell: Shell, *words: str) -> list[dict[str, Any]]:
    """What `list` prints."""
    ran = await letters(shell, "list", *words)
    assert ran.code == 0, ran.err
    return ran.lines


async def shown(shell: Shell, letter_id: int) -> dict[str, Any]:
    """What `show` prints."""
    ran = await letters(shell, "show", str(letter_id))
    assert ran.code == 0, ran.err
    return dict(msgspec.json.decode(ran.out))


async def letter_of(shell: Shell, command_id: str) -> dict[str, Any]:
    """The letter of a failed command."""
    (found,) = [one for one in await listed(shell) if one["command_id"] == command_id]
    return found


async def test_a_replay_is_a_new_command_and_its_owner_is_told(
    world: World, me: httpx.AsyncClient, shell: Shell
) -> None:
    """It takes effect after all that came meanwhile, once, and the first outcome stays."""
    failed = await stray(me, world.place, "replayed", 1)
    for number in (2, 3):
        await me.post(ADD, json={"tally_id": "replayed", "number": number}, headers=WAIT)
    letter = await letter_of(shell, failed)
    assert letter["reason"].startswith("misplaced")
    before = await shown(shell, letter["id"])
    assert (before["key"], before["later"], before["replays"]) == ("replayed", 2, [])
    async with listening(me, "/api/outcomes/stream") as stream:
        ran = await letters(shell, "replay", str(letter["id"]))
        assert ran.code == 0, ran.err
        sent = msgspec.json.decode(ran.out)
        assert sent["command_id"] == replayed_command_id(failed, 1)
        told = await told_of(stream, sent["command_id"])
    assert told.json["replays"] == failed
    assert told.json["status"] == "succeeded"
    assert (told.json["data"]["count"], told.json["data"]["last"]) == (3, 1)
    first = await me.get(f"/api/commands/{failed}")
    assert (first.json()["status"], "replays" in first.json()) == ("failed", False)
    again = await letters(shell, "replay", str(letter["id"]))
    assert (again.code, "succeeded" in again.err, again.out) == (1, True, "")
    assert (await me.get("/api/tally/replayed")).json()["count"] == 3
    after = await shown(shell, letter["id"])
    assert [(one["number"], one["status"]) for one in after["replays"]] == [(1, "succeeded")]
    assert after["later"] == 2


async def test_a_replay_that_fails_raises_the_number(
    world: World, me: httpx.AsyncClient, shell: Shell
) -> None:
    """Whichever of the letters is replayed, it is the first command's next replay."""
    broken = {"tally_id": "explodes"}
    answer = await me.post("/api/commands/tally.explode", json=broken, headers=WAIT)
    failed = answer.json()["outcome"]["command_id"]
    letter = await letter_of(shell, failed)
    await letters(shell, "replay", str(letter["id"]))
    await until(lambda: outcome(world.place, replayed_command_id(failed, 1)))
    child = await letter_of(shell, replayed_command_id(failed, 1))
    for number, replayed in ((2, child), (3, letter)):
        ran = await letters(shell, "replay", str(replayed["id"]))
        assert msgspec.json.decode(ran.out)["command_id"] == replayed_command_id(failed, number)
        assert msgspec.json.decode(ran.out)["replays"] == failed
        await until(lambda number=number: outcome(world.place, replayed_command_id(failed, number)))
    seen = await shown(shell, child["id"])
    assert [one["status"] for one in seen["replays"]] == ["failed"] * 3
    assert seen["replays"][0]["error"]["type"] == "domain-error"
    assert "boom" in seen["traceback"]
    assert seen["body"].startswith("{")
    for letter_of_whom in (failed, replayed_command_id(failed, 1), replayed_command_id(failed, 3)):
        assert (await letter_of(shell, letter_of_whom))["replay"]["number"] == 3


async def test_many_at_once_ask_for_one_replay(
    world: World, me: httpx.AsyncClient, shell: Shell
) -> None:
    """Operators need not agree who does it."""
    failed = await stray(me, world.place, "at once", 1)
    letter = await letter_of(shell, failed)
    ran = await asyncio.gather(*(letters(shell, "replay", str(letter["id"])) for _ in range(4)))
    assert {msgspec.json.decode(one.out)["number"] for one in ran if one.code == 0} == {1}
    await until(lambda: outcome(world.place, replayed_command_id(failed, 1)))
    assert (await me.get("/api/tally/at once")).json()["count"] == 1


async def test_all_of_a_reason_are_replayed_in_the_order_of_the_stream(
    world: World, me: httpx.AsyncClient, shell: Shell
) -> None:
    """Up to the limit; what is done is passed over, so that the next call goes on."""
    strays = [await stray(me, world.place, "in order", number) for number in range(1, 6)]
    words = ("--all", "--reason", "misplaced", "--key", "in order")
    first = await letters(shell, "replay", *words, "--limit", "2")
    assert [one["replays"] for one in first.lines] == strays[:2]
    await until(lambda: outcome(world.place, replayed_command_id(strays[1], 1)))
    rest = await letters(shell, "replay", *words)
    assert [one["replays"] for one in rest.lines] == strays[2:]
    await until(lambda: outcome(world.place, replayed_command_id(strays[4], 1)))
    tally = (await me.get("/api/tally/in order")).json()
    assert (tally["count"], tally["last"]) == (5, 5)
    assert (await letters(shell, "replay", *words)).lines == []
    careless = await letters(shell, "replay", "--all")
    assert (careless.code, "--reason" in careless.err) == (2, True)


async def test_a_call_goes_on_behind_the_one_before_though_its_replays_have_failed(
    world: World, me: httpx.AsyncClient, shell: Shell
) -> None:
    """Those would come first again: they fail as often as they are tried, the rest waits."""
    broken = {"tally_id": "again and again"}
    answers = [
        await me.post("/api/commands/tally.explode", json=broken, headers=WAIT) for _ in range(3)
    ]
    failed = [answer.json()["outcome"]["command_id"] for answer in answers]
    words = ("--all", "--reason", "domain-error", "--key", "again and again", "--limit", "1")
    after: tuple[str, ...] = ()
    for command_id in failed:
        ran = await letters(shell, "replay", *words, *after)
        assert [one["replays"] for one in ran.lines] == [command_id]
        await until(lambda one=command_id: outcome(world.place, replayed_command_id(one, 1)))
        after = ("--after", str((await letter_of(shell, command_id))["id"]))
        assert " ".join(after) in ran.err
    alone = await letters(shell, "replay", "1", *after)
    assert (alone.code, "--after" in alone.err) == (2, True)


async def test_a_rejected_replay_is_final(
    world: World, me: httpx.AsyncClient, shell: Shell
) -> None:
    """A business rule has said no; asking again would get no other answer from it."""
    failed = await stray(me, world.place, "negative", -1)
    letter = await letter_of(shell, failed)
    await letters(shell, "replay", str(letter["id"]))
    status = await until(lambda: outcome(world.place, replayed_command_id(failed, 1)))
    assert status == "rejected"
    again = await letters(shell, "replay", str(letter["id"]))
    assert (again.code, "rejected" in again.err) == (1, True)


async def test_a_letter_without_an_envelope_is_shown_and_not_replayed(
    world: World, shell: Shell
) -> None:
    """Its bytes as they are; for people nothing in them that steers a terminal."""
    body = b"\x1b[2Jno \xff envelope"
    await publish(world.place, subject_of("tally.odd", 0), body)
    (letter,) = await until(lambda: listed(shell, "--type", "tally.odd"))
    assert (letter["command_id"], letter["key"]) == (None, None)
    seen = await shown(shell, letter["id"])
    assert msgspec.convert(seen["body_base64"], bytes) == body
    assert "no readable envelope" in seen["not_replayable"]
    ran = await letters(shell, "replay", str(letter["id"]))
    assert (ran.code, "no readable envelope" in ran.err) == (1, True)
    text = await shell.run("dead-letters", "show", str(letter["id"]), "--output", "text")
    assert (text.code, "\x1b" in text.out) == (0, False)
    line = await shell.run("dead-letters", "list", "--output", "text")
    assert "tally.odd" in line.out


async def test_letters_are_listed_by_pages_and_filters(
    world: World, me: httpx.AsyncClient, shell: Shell
) -> None:
    """Newest first; a page begins behind an id, and says that there may be another."""
    made = [await stray(me, world.place, "paged", number) for number in range(5)]
    mine = ("--key", "paged", "--reason", "misplaced", "--type", "tally.add")
    ran = await letters(shell, "list", *mine, "--limit", "3")
    assert [one["command_id"] for one in ran.lines] == made[:1:-1]
    assert f"--before {ran.lines[-1]['id']}" in ran.err
    rest = await listed(shell, *mine, "--before", str(ran.lines[-1]["id"]))
    assert [one["command_id"] for one in rest] == made[1::-1]
    for other in (("--key", "x"), ("--reason", "x"), ("--type", "x")):
        assert await listed(shell, *other) == []


async def test_a_discarded_letter_is_kept_and_not_listed(
    world: World, me: httpx.AsyncClient, shell: Shell
) -> None:
    """Discarding twice changes nothing; what is not there is said."""
    failed = await stray(me, world.place, "discarded", 1)
    letter = await letter_of(shell, failed)
    assert (await letters(shell, "discard", str(letter["id"]))).code == 0
    at = (await shown(shell, letter["id"]))["discarded_at"]
    assert at is not None
    assert await listed(shell, "--key", "discarded") == []
    (kept,) = await listed(shell, "--key", "discarded", "--all")
    assert (kept["id"], kept["discarded_at"]) == (letter["id"], at)
    assert (await letters(shell, "discard", str(letter["id"]))).code == 0
    assert (await shown(shell, letter["id"]))["discarded_at"] == at
    for verb in ("discard", "show", "replay"):
        missing = await letters(shell, verb, "999999")
        assert (missing.code, "no dead letter 999999" in missing.err) == (1, True)


async def test_a_discarded_letter_that_is_replayed_says_so(
    world: World, me: httpx.AsyncClient, shell: Shell
) -> None:
    """It was asked for by its id; --all passes over it."""
    failed = await stray(me, world.place, "thrown away", 1)
    letter = await letter_of(shell, failed)
    await letters(shell, "discard", str(letter["id"]))
    words = ("--all", "--reason", "misplaced", "--key", "thrown away")
    assert (await letters(shell, "replay", *words)).lines == []
    ran = await letters(shell, "replay", str(letter["id"]))
    assert (ran.code, f"{letter['id']} was discarded at" in ran.err) == (0, True)
    assert msgspec.json.decode(ran.out)["replays"] == failed


@pytest.mark.parametrize("letter_id", ["0", "-1", str(2**63), "x"])
async def test_what_is_no_id_is_bad_usage(shell: Shell, letter_id: str) -> None:
    """Said without asking Postgres."""
    for verb in ("show", "replay", "discard"):
        ran = await letters(shell, verb, letter_id)
        assert (ran.code, "Postgres" in ran.err) == (2, False), ran.err
    ran = await letters(shell, "list", "--before", letter_id)
    assert ran.code == 2


async def test_a_command_whose_outcome_is_gone_keeps_its_letter(
    world: World, me: httpx.AsyncClient, shell: Shell
) -> None:
    """Outcomes are pruned in time, letters are not: shown with its key, and replayed all the same.

    But not twice, when the replay's outcome has gone as well.
    """
    failed = await stray(me, world.place, "old", 1)
    letter = await letter_of(shell, failed)
    await world.place.rows("DELETE FROM homing.outcomes WHERE command_id = $1", failed)
    assert (await shown(shell, letter["id"]))["key"] == "old"
    assert (await letters(shell, "replay", str(letter["id"]))).code == 0
    replay = replayed_command_id(failed, 1)
    await until(lambda: outcome(world.place, replay))
    await world.place.rows("DELETE FROM homing.outcomes WHERE command_id = $1", replay)
    again = await letters(shell, "replay", str(letter["id"]))
    assert (again.code, "no longer kept" in again.err) == (1, True)
    assert (await me.get("/api/tally/old")).json()["count"] == 1
