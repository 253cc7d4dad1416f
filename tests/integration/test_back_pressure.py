"""Too much to do: each limit answers as it says, and nothing that was accepted is lost."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import httpx
import nats
import pytest
from prometheus_client import REGISTRY

from homing.outcome import OwnerToken
from homing.partition import STREAM
from homing_api import streams
from support.place import Place, Servers, fresh_place
from support.rows import made, writer
from support.running import running_api, running_reactor
from support.sse import Parser, listening, take
from support.waiting import until
from support.world import client, outcome_of

ADD = "/api/commands/tally.add"
WAIT = {"Prefer": "wait=20"}
STREAM_BYTES = 1_048_576


def tally(number: int = 1, tally_id: str = "pressed", note: str = "") -> dict[str, Any]:
    """A payload of `tally.add`."""
    return {"tally_id": tally_id, "number": number, "note": note}


def counted(name: str, **labels: str) -> float:
    """What a counter of this process says."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_a_full_stream_refuses_and_loses_nothing(servers: Servers) -> None:
    """503 with Retry-After; every command with a 202 is applied, and room lets new ones in."""
    before = counted("homing_submits_refused_total", reason="stream-full")
    async with (
        fresh_place(servers, commands_max_bytes=STREAM_BYTES) as place,
        running_api(place) as url,
        client(url) as me,
    ):
        accepted: list[str] = []
        while True:
            answer = await me.post(ADD, json=tally(note="x" * 60_000))
            if answer.status_code != 202:
                break
            accepted.append(answer.headers["Location"])
        assert answer.status_code == 503
        assert answer.json()["type"] == "/problems/unavailable"
        assert "full" in answer.json()["detail"]
        assert answer.json()["command_id"]
        assert int(answer.headers["Retry-After"]) > 0
        assert counted("homing_submits_refused_total", reason="stream-full") > before
        assert await place.stored() == len(accepted) > 10
        async with running_reactor(place):
            for location in accepted:
                assert (await outcome_of(me, location))["status"] == "succeeded"
            assert (await me.get("/api/tally/pressed")).json()["count"] == len(accepted)
            # Applied is not trimmed: it stays full until there is room.
            assert (await me.post(ADD, json=tally(note="x" * 60_000))).status_code == 503
            await _trim(place)
            answer = await me.post(ADD, json=tally(note="x" * 60_000), headers=WAIT)
            assert answer.json()["data"]["count"] == len(accepted) + 1


async def test_too_many_in_flight_are_refused_at_once(place: Place) -> None:
    """503 with Retry-After for those above the limit; those below it are stored and applied."""
    before = counted("homing_submits_refused_total", reason="in-flight")
    async with (
        running_reactor(place),
        running_api(place, commands_in_flight=3) as url,
        client(url) as me,
    ):
        os.kill(place.servers.nats.pid, signal.SIGSTOP)
        try:
            posts = [
                asyncio.create_task(me.post(ADD, json=tally(tally_id=f"t{n}"), headers=WAIT))
                for n in range(10)
            ]
            refused = [task for task in posts if await _refused_by_now(task, posts, 7)]
        finally:
            os.kill(place.servers.nats.pid, signal.SIGCONT)
        assert len(refused) == 7
        for task in refused:
            answer = task.result()
            assert (answer.status_code, answer.json()["type"]) == (503, "/problems/overloaded")
            assert int(answer.headers["Retry-After"]) > 0
        stored = [await task for task in posts if task not in refused]
        assert [answer.json()["status"] for answer in stored] == ["succeeded"] * 3
        assert counted("homing_submits_refused_total", reason="in-flight") == before + 7
        assert await place.stored() == 3


async def test_lag_above_the_limit_refuses_until_it_is_below(place: Place) -> None:
    """503 with Retry-After, for one and for each of many; what was accepted is applied."""
    async with running_api(place, lag_max_seconds=1) as url, client(url) as me:
        accepted = await me.post(ADD, json=tally())
        assert accepted.status_code == 202
        refused = await until(lambda: _with_status(me, 503), 10)
        assert refused.json()["type"] == "/problems/overloaded"
        # Of a repeat it is not known whether it is stored; only that it was not sent now.
        assert "was not sent" in refused.json()["detail"]
        assert int(refused.headers["Retry-After"]) > 0
        batch = await me.post("/api/commands", json=[{"type": "tally.add", "payload": tally()}])
        assert batch.json()[0]["status"] == 503
        stored = await place.stored()
        async with running_reactor(place):
            assert (await outcome_of(me, accepted.headers["Location"]))["status"] == "succeeded"
            again = await until(lambda: _with_status(me, 200, **WAIT), 10)
        # What was stored before the limit, and this one; nothing of what was refused.
        assert again.json()["data"]["count"] == stored + 1 == await place.stored()


async def test_a_repeat_that_has_its_outcome_gets_it_under_pressure(place: Place) -> None:
    """It adds nothing to do."""
    key = {"Idempotency-Key": "once", **WAIT}
    async with running_api(place, lag_max_seconds=1) as url, client(url) as me:
        async with running_reactor(place):
            first = await me.post(ADD, json=tally(), headers=key)
        await me.post(ADD, json=tally())
        await until(lambda: _with_status(me, 503), 10)
        again = await me.post(ADD, json=tally(), headers=key)
        assert (again.status_code, again.json()["command_id"]) == (200, first.json()["command_id"])


async def test_unknown_lag_refuses_nothing(place: Place) -> None:
    """With Postgres away the stream takes what it has room for, as it does without the limit."""
    async with running_api(place, lag_max_seconds=1) as url, client(url) as me:
        await me.post(ADD, json=tally())
        await until(lambda: _with_status(me, 503), 10)
        await place.servers.postgres.stop()
        try:
            await until(lambda: _with_status(me, 202), 10)
        finally:
            await place.servers.postgres.start()
        await until(lambda: _with_status(me, 503), 20)


async def test_too_many_streams_in_all_are_told_to_come_later(place: Place) -> None:
    """200, `retry:` and the end, whoever asks; a place that is free again is given."""
    async with (
        running_api(place, streams_max=2) as url,
        client(url) as me,
        client(url) as other,
        client(url) as third,
    ):
        async with listening(me, "/api/outcomes/stream"), listening(other, "/api/outcomes/stream"):
            answer = await third.get("/api/outcomes/stream")
        parser = Parser()
        assert parser.feed(answer.content) == []
        assert (answer.status_code, parser.comments) == (200, ["too many streams"])
        assert parser.retry is not None
        await until(lambda: _opens(third), 5)


async def test_a_slow_reader_is_cut_and_resumes_with_everything(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason is counted, and from its last event id on it gets all that it missed."""
    monkeypatch.setattr(streams, "STUCK_SECONDS", 1.0)
    monkeypatch.setattr(streams, "QUEUE_MAX", 20)
    async with running_api(place) as url, client(url) as me, writer(place) as reactor:
        owner = OwnerToken((await me.get("/api/session")).json()["owner"])
        before, cut = _cut(), [made(owner, data="x" * 50_000) for _ in range(300)]
        parser, seen = Parser(), set[str]()
        async with me.stream("GET", "/api/outcomes/stream") as slow:
            pieces = slow.aiter_raw()
            while not parser.last_event_id:
                _note(seen, parser.feed(await anext(pieces)))
            for begin in range(0, len(cut), 10):
                await reactor.write(*cut[begin : begin + 10])
            await until(lambda: _cut() > before, 15)
            try:
                async for piece in pieces:  # what had left for it already
                    _note(seen, parser.feed(piece))
            except httpx.TransportError:
                pass  # cut in the middle of an event
        wanted = {stored.outcome.command_id for stored in cut}
        assert not wanted <= seen
        monkeypatch.undo()  # its history may take its time to be read
        async with listening(me, "/api/outcomes/stream", parser.last_event_id) as stream:
            while not wanted <= seen:
                _note(seen, await take(stream, 1))


def _note(seen: set[str], some: list[Any]) -> None:
    seen.update(event.json["command_id"] for event in some if event.type == "outcome")


def _cut() -> float:
    return sum(counted("homing_streams_ended_total", reason=why) for why in ("slow", "stuck"))


async def _trim(place: Place) -> None:
    """As the holder does: up to the checkpoint, whose message stays."""
    (row,) = await place.rows("SELECT max(checkpoint) FROM homing.partitions")
    broker = await nats.connect(place.nats_url)
    try:
        await broker.jetstream().purge_stream(STREAM, seq=row[0])
    finally:
        await broker.close()


async def _refused_by_now(
    task: asyncio.Task[httpx.Response], posts: list[asyncio.Task[httpx.Response]], count: int
) -> bool:
    await until(lambda: sum(one.done() for one in posts) >= count, 5)
    return task.done()


async def _with_status(me: httpx.AsyncClient, status: int, **headers: str) -> Any:
    answer = await me.post(ADD, json=tally(), headers=headers)
    return answer if answer.status_code == status else None


async def _opens(one: httpx.AsyncClient) -> bool:
    async with one.stream("GET", "/api/outcomes/stream") as response:
        parser = Parser()
        async for piece in response.aiter_raw():
            parser.feed(piece)
            return "too many streams" not in parser.comments
    return False
