"""Event streams over HTTP: of one command, and of everything that a browser waits for."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from prometheus_client import REGISTRY

from homing.outcome import OwnerToken
from homing_api import streams
from support.place import Servers
from support.rows import made, writer
from support.running import running_api
from support.sse import Event, Parser, listening, live, take
from support.waiting import until
from support.world import REGISTER, World, outcome_of, place_named, running_world

HOSTILE = "\r\n\n data: x\revent: y\u2028\u2029 \U0001f3e0 </script><!-- \x1f \ufeff"


@pytest.fixture(scope="module")
async def world(servers: Servers) -> AsyncIterator[World]:
    async with running_world(servers, streams_per_owner=4) as world:
        yield world


@pytest.fixture
async def me(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with world.session() as one:
        yield one


async def submit(one: httpx.AsyncClient, name: str, **headers: str) -> Any:
    """Send a command; what the 202 said."""
    answer = await one.post(REGISTER, json=place_named(name), headers=headers)
    assert answer.status_code == 202
    return answer.json()


async def test_a_stream_of_a_command_ends_with_its_outcome(me: httpx.AsyncClient) -> None:
    """Live: `outcome`, and then the end."""
    said = await submit(me, "Live", **{"Homing-Demo-Delay": "0.5"})
    async with listening(me, said["links"]["events"]) as stream:
        seen = [event async for event in stream]
    assert [event.type for event in seen] == ["outcome"]
    assert seen[0].json["data"]["name"] == "Live"
    assert seen[0].json["timeline"]["sent_at"]


async def test_an_outcome_from_before_is_told_at_once(me: httpx.AsyncClient) -> None:
    """Whoever comes late is told what is stored; who was told already is sent away for good."""
    said = await submit(me, "Before")
    await outcome_of(me, said["links"]["status"])
    async with listening(me, said["links"]["events"]) as stream:
        (event,) = [event async for event in stream]
    again = await me.get(said["links"]["events"], headers={"Last-Event-ID": event.last_event_id})
    assert again.status_code == 204  # only this stops an EventSource


async def test_late_is_said_once_and_the_stream_stays(me: httpx.AsyncClient) -> None:
    """`pending` when the time is up, `outcome` when it comes."""
    said = await submit(me, "Late", **{"Homing-Demo-Delay": "1.5"})
    async with listening(me, said["links"]["events"] + "?timeout=0.5") as stream:
        seen = [event async for event in stream]
    assert [event.type for event in seen] == ["pending", "outcome"]
    waited = {"command_id": said["command_id"], "waited_ms": 500, "status": "pending"}
    assert seen[0].json == waited


async def test_an_owners_stream_has_all_outcomes_and_resumes(me: httpx.AsyncClient) -> None:
    """Everything after the cursor comes again on the next stream, on this replica or another."""
    async with live(me, "/api/outcomes/stream") as stream:
        first = await submit(me, "First")
        (event,) = await take(stream, 1)
        assert event.json["command_id"] == first["command_id"]
    missed = [await submit(me, f"Missed {number}") for number in range(5)]
    for one in missed:
        await outcome_of(me, one["links"]["status"])
    async with listening(me, "/api/outcomes/stream", event.last_event_id) as stream:
        last = await submit(me, "Last")
        wanted = {one["command_id"] for one in [*missed, last]}
        while wanted:
            (event,) = await take(stream, 1)
            wanted.discard(event.json["command_id"])


async def test_a_cut_in_the_middle_of_history_loses_nothing(world: World) -> None:
    """A cursor in what is stored does not run ahead of what is still to be read."""
    async with world.session() as one, writer(world.place) as reactor:
        owner = OwnerToken((await one.get("/api/session")).json()["owner"])
        async with live(one, "/api/outcomes/stream") as stream:
            await submit(one, "Cursor")
            (event,) = await take(stream, 1)
        stored = [made(owner) for _ in range(30)]
        for each in stored:
            await reactor.write(each)
        wanted = {each.outcome.command_id for each in stored}
        cursor, seen, tries = event.last_event_id, set[str](), 0
        while not wanted <= seen:  # as if the line broke after every third event
            async with listening(one, "/api/outcomes/stream", cursor) as stream:
                for event in await take(stream, min(3, len(wanted - seen) + 1)):
                    seen.add(event.json["command_id"])
                    cursor = event.last_event_id
            tries += 1
        assert tries > len(wanted) / 3


async def test_resume_goes_on_at_another_replica(world: World, me: httpx.AsyncClient) -> None:
    """A cursor of one is understood by the other."""
    async with live(me, "/api/outcomes/stream") as stream:
        await submit(me, "Here")
        (event,) = await take(stream, 1)
    said = await submit(me, "There")
    await outcome_of(me, said["links"]["status"])
    async with (
        running_api(world.place) as url,
        httpx.AsyncClient(base_url=url, cookies=dict(me.cookies), timeout=20) as other,
        listening(other, "/api/outcomes/stream", event.last_event_id) as stream,
    ):
        while (await take(stream, 1))[0].json["command_id"] != said["command_id"]:
            pass


async def test_waiting_asks_for_what_may_have_come_before(
    world: World, me: httpx.AsyncClient
) -> None:
    """One's own ids are answered from the store; another owner's, and no ids, are ignored."""
    mine = await submit(me, "Mine")
    await outcome_of(me, mine["links"]["status"])
    async with world.session() as other:
        theirs = await submit(other, "Theirs")
        await outcome_of(other, theirs["links"]["status"])
    ids = f"zz,{theirs['command_id']},{mine['command_id']}"
    # The horizon goes past both only with later transactions; a fresh stream has no cursor.
    async with listening(me, f"/api/outcomes/stream?waiting={ids}") as stream:
        marker = await submit(me, "Marker")
        seen: list[str] = []
        while marker["command_id"] not in seen:
            seen += [event.json["command_id"] for event in await take(stream, 1)]
    assert mine["command_id"] in seen
    assert theirs["command_id"] not in seen


@pytest.mark.parametrize(
    "cursor", ["nonsense", "2.1-10", "1.99-10", "1.1-9999999999999", "1.1--1", "1.1-1e3"]
)
async def test_a_cursor_that_is_none_of_ours_gets_a_reset(
    me: httpx.AsyncClient, cursor: str
) -> None:
    """Unparsable, of another stream or database, or of the future: read again what you show."""
    async with listening(me, "/api/outcomes/stream", cursor) as stream:
        (event,) = await take(stream, 1)
        assert event.type == "reset"
        said = await submit(me, "After the reset")
        seen = ""
        while seen != said["command_id"]:
            seen = (await take(stream, 1))[0].json["command_id"]


async def test_two_owners_never_see_each_others_outcomes(world: World) -> None:
    """Ten owners, each with a stream, a hundred commands: to each its own and no other."""

    async def one(number: int) -> tuple[set[str], set[str]]:
        async with world.session() as mine, live(mine, "/api/outcomes/stream") as stream:
            sent = {(await submit(mine, f"{number}/{n}"))["command_id"] for n in range(10)}
            seen = set()
            while not sent <= seen:
                seen |= {event.json["command_id"] for event in await take(stream, 1)}
            return sent, seen

    for sent, seen in await asyncio.gather(*map(one, range(10))):
        assert seen == sent


async def test_every_event_parses_whatever_is_in_it(me: httpx.AsyncClient) -> None:
    """Line breaks of every kind, emoji and `</script>` arrive as they were sent."""
    async with live(me, "/api/outcomes/stream") as stream:
        answer = await me.post(
            REGISTER,
            json={"name": f"N{HOSTILE}", "category": "Town", "description": f"D{HOSTILE}"},
        )
        assert answer.status_code == 202
        (event,) = await take(stream, 1)
    assert event.type == "outcome"
    assert event.json["data"]["description"] == f"D{HOSTILE}"
    nul = await me.post(
        REGISTER, json={"name": "ok", "category": "Town", "description": f"{HOSTILE}\0"}
    )
    assert nul.status_code == 422


async def test_a_quiet_stream_is_kept_alive_and_its_cursor_fresh(
    me: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Comments for proxies, `ping` with a newer cursor for the page's watchdog."""
    monkeypatch.setattr(streams, "HEARTBEAT_SECONDS", 0.5)
    monkeypatch.setattr(streams, "PING_SECONDS", 2.0)
    async with me.stream("GET", "/api/outcomes/stream") as response:
        parser, seen = Parser(), list[Event]()
        async for piece in response.aiter_raw():
            seen += parser.feed(piece)
            if seen and "still here" in parser.comments:
                break
    assert seen[0].type == "ping"
    assert seen[0].last_event_id == parser.last_event_id != ""


async def test_a_stream_has_a_longest_life(world: World, me: httpx.AsyncClient) -> None:
    """It ends cleanly and says when to come again; the next one goes on where it was."""
    async with (
        running_api(world.place, stream_lifetime_seconds=1) as url,
        httpx.AsyncClient(base_url=url, cookies=dict(me.cookies), timeout=20) as one,
    ):
        parser = Parser()
        async with one.stream("GET", "/api/outcomes/stream") as response:
            async for piece in response.aiter_raw():
                parser.feed(piece)
        assert parser.retry is not None
        said = await submit(me, "Between two streams")
        await outcome_of(me, said["links"]["status"])
        async with listening(one, "/api/outcomes/stream", parser.last_event_id) as stream:
            while (await take(stream, 1))[0].json["command_id"] != said["command_id"]:
                pass


async def test_too_many_streams_of_a_session_are_told_to_come_later(
    me: httpx.AsyncClient,
) -> None:
    """200, `retry:` and the end: any other status would close an EventSource for good."""
    async with (
        listening(me, "/api/outcomes/stream"), listening(me, "/api/outcomes/stream"),
        listening(me, "/api/outcomes/stream"), listening(me, "/api/outcomes/stream"),
    ):  # fmt: skip
        for _ in range(3):
            answer = await me.get("/api/outcomes/stream")
            parser = Parser()
            assert parser.feed(answer.content) == []
            assert answer.status_code == 200
            assert parser.retry is not None
            assert parser.comments == ["too many streams of this session"]
    async with asyncio.timeout(5), listening(me, "/api/outcomes/stream"):
        pass


async def test_a_reader_who_takes_nothing_is_cut_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its queue is bounded; it is cut, others go on, and what it missed it can have later."""
    monkeypatch.setattr(streams, "STUCK_SECONDS", 1.0)
    monkeypatch.setattr(streams, "QUEUE_MAX", 50)
    async with world.session() as one, writer(world.place) as reactor:
        before = _cut()
        owner = OwnerToken((await one.get("/api/session")).json()["owner"])
        address = urlsplit(world.url)
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect((address.hostname, address.port))
        cookie = f"homing_session={one.cookies['homing_session']}"
        deaf.sendall(
            f"GET /api/outcomes/stream HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\n\r\n".encode()
        )
        try:
            async with listening(one, "/api/outcomes/stream") as stream:
                seen: set[str] = set()
                written: set[str] = set()
                for _ in range(5):
                    some = [made(owner, data="x" * 50_000) for _ in range(40)]
                    written |= {stored.outcome.command_id for stored in some}
                    await reactor.write(*some)
                    while not written <= seen:
                        seen |= {event.json["command_id"] for event in await take(stream, 1)}
            await until(lambda: _cut() > before, 10)
        finally:
            deaf.close()


def _cut() -> float:
    """How many streams were cut for their reader's sake."""
    values = (
        REGISTRY.get_sample_value("homing_streams_ended_total", {"reason": why})
        for why in ("slow", "stuck")
    )
    return sum(value or 0 for value in values)


async def test_streams_end_cleanly_when_the_process_stops(world: World) -> None:
    """Each is told when to come again, at its own time; a held response says `pending`."""
    async with httpx.AsyncClient(timeout=20) as one:
        async with running_api(world.place) as url:
            await one.get(f"{url}/api/session")
            slow = {"Homing-Demo-Delay": "5"}
            said = (await one.post(url + REGISTER, json=place_named("S"), headers=slow)).json()
            held = asyncio.create_task(
                one.post(
                    url + REGISTER, json=place_named("H"), headers={"Prefer": "wait=9", **slow}
                )
            )
            paths = ["/api/outcomes/stream"] * 3 + [said["links"]["events"]]
            streams = [Listener(one, url + path) for path in paths]
            for stream in streams:
                await stream.opened.wait()
        parsers = [await stream.ended for stream in streams]
        assert all(parser.retry for parser in parsers)
        assert len({parser.retry for parser in parsers}) > 1
        answer = await held  # accepted; the outcome is told elsewhere
        assert (answer.status_code, "Preference-Applied" in answer.headers) == (202, False)


class Listener:
    """Reads a stream to its end."""

    def __init__(self, one: httpx.AsyncClient, url: str) -> None:
        self.opened = asyncio.Event()
        self.ended = asyncio.create_task(self._read(one, url))

    async def _read(self, one: httpx.AsyncClient, url: str) -> Parser:
        parser = Parser()
        async with one.stream("GET", url) as response:
            async for piece in response.aiter_raw():
                self.opened.set()
                parser.feed(piece)
        return parser
