"""NATS away, Postgres away, no reactor: what is still answered, and that all of it catches up."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import Any

import httpx
import pytest

from homing.local import ports
from support.place import Place
from support.running import Process, running_api, running_reactor, until_answers
from support.scraped import Page, scraped
from support.sse import events
from support.waiting import until
from support.world import REGISTER, client, outcome_of, place_named

WAIT = {"Prefer": "wait=20"}


async def _stored(place: Place, count: int) -> bool:
    return await place.stored() >= count


async def first_outcome(one: httpx.AsyncClient, path: str) -> Any:
    """The outcome that a stream brings, however long that takes."""
    async with asyncio.timeout(30), one.stream("GET", path) as response:
        async for event in events(response):
            if event.type == "outcome":
                return event.json
    raise AssertionError("the stream ended without an outcome")


async def test_a_command_without_a_reactor_is_accepted_and_told_later(place: Place) -> None:
    """202; once a reactor runs it is applied, and who waited is told, held or on a stream."""
    async with running_api(place) as url, client(url) as one:
        answer = await one.post(REGISTER, json=place_named("Alone"))
        assert answer.status_code == 202
        told = asyncio.create_task(first_outcome(one, answer.json()["links"]["events"]))
        held = asyncio.create_task(one.post(REGISTER, json=place_named("Held"), headers=WAIT))
        await until(lambda: _stored(place, 2))
        assert (await one.get(answer.headers["Location"])).json()["status"] == "pending"
        async with running_reactor(place):
            assert (await told)["data"]["name"] == "Alone"
            assert (await held).json()["data"]["name"] == "Held"


async def test_without_nats_a_submit_is_a_503_in_time(place: Place) -> None:
    """With Retry-After and the command's id, within the deadline; afterwards all goes on."""
    async with (
        running_reactor(place),
        running_api(place, publish_deadline_seconds=2) as url,
        client(url) as one,
    ):
        await place.servers.nats.kill()
        began = time.monotonic()
        answers = await asyncio.gather(
            *(one.post(REGISTER, json=place_named(f"No {n}"), headers=WAIT) for n in range(20))
        )
        assert time.monotonic() - began < 4
        for answer in answers:
            assert answer.status_code == 503
            assert int(answer.headers["Retry-After"]) > 0
            assert answer.json()["command_id"]
        assert (await one.get("/api/locations")).status_code == 200
        await place.servers.nats.start()
        key = {"Idempotency-Key": "again", **WAIT}
        while (back := await one.post(REGISTER, json=place_named("Back"), headers=key)) and (
            back.status_code == 503
        ):
            pass
        assert back.json()["data"]["name"] == "Back"


async def test_a_batch_sends_nothing_past_what_was_not_acknowledged(place: Place) -> None:
    """Later commands of a key would overtake it: they answer 503, unsent; other keys go on."""
    async with running_api(place, publish_deadline_seconds=1) as url, client(url) as one:
        await place.servers.nats.kill()
        batch = [
            {"type": "tally.add", "payload": {"tally_id": key, "number": number}}
            for number in range(3)
            for key in ("a", "b")
        ]
        began = time.monotonic()
        said = (await one.post("/api/commands", json=batch)).json()
        assert time.monotonic() - began < 2  # one deadline for each key, at the same time
        assert [one["status"] for one in said] == [503] * 6
        unsent = ["not sent" in one["problem"]["detail"] for one in said]
        assert unsent == [False, False, True, True, True, True]
        many = [{"type": "tally.add", "payload": {"tally_id": f"k{n}", "number": n}}
                for n in range(300)]  # fmt: skip
        began = time.monotonic()
        said = (await one.post("/api/commands", json=many)).json()
        assert time.monotonic() - began < 2  # and one for all, however many keys there are
        assert [one["status"] for one in said] == [503] * 300


async def test_without_postgres_a_submit_is_accepted_and_reads_are_503(place: Place) -> None:
    """The stream is what counts; reactors wait and catch up, and who waits is told."""
    async with running_reactor(place), running_api(place) as url, client(url) as one:
        before = await one.post(REGISTER, json=place_named("Before"), headers=WAIT)
        assert before.status_code == 200
        await place.servers.postgres.kill()
        began = time.monotonic()
        accepted = [
            await one.post(
                REGISTER, json=place_named(f"Down {n}"), headers={"Idempotency-Key": f"down-{n}"}
            )
            for n in range(5)
        ]
        assert [answer.status_code for answer in accepted] == [202] * 5
        assert time.monotonic() - began < 10
        for path in ("/api/locations", accepted[0].headers["Location"], "/api/outcomes"):
            answer = await one.get(path)
            assert (answer.status_code, answer.headers["Content-Type"]) == (
                503,
                "application/problem+json",
            )
            assert int(answer.headers["Retry-After"]) > 0
        told = asyncio.create_task(first_outcome(one, accepted[0].json()["links"]["events"]))
        held = asyncio.create_task(one.post(REGISTER, json=place_named("Held"), headers=WAIT))
        await place.servers.postgres.start()
        assert (await told)["data"]["name"] == "Down 0"
        assert (await held).json()["data"]["name"] == "Held"
        for number, answer in enumerate(accepted):
            outcome = await outcome_of(one, answer.headers["Location"])
            assert outcome["data"]["name"] == f"Down {number}"


async def test_processes_wait_for_their_servers(place: Place) -> None:
    """Started before NATS and Postgres are there, they say so, answer their probes, and begin."""
    await place.servers.nats.stop()
    await place.servers.postgres.stop()
    reactor, api = Process("reactor", place).start(), Process("api", place).start()
    try:
        for process in (reactor, api):
            await until_answers(f"http://127.0.0.1:{process.internal}/livez")
            await until(lambda process=process: "start.waiting" in process.log)
            async with httpx.AsyncClient() as probe:
                answer = await probe.get(f"http://127.0.0.1:{process.internal}/readyz")
            assert answer.status_code == 503
        await asyncio.gather(place.servers.nats.start(), place.servers.postgres.start())
        await asyncio.gather(reactor.ready(), api.ready())
        async with client(api.url) as one:
            answer = await one.post(REGISTER, json=place_named("Begun"), headers=WAIT)
            assert answer.status_code == 200
    finally:
        assert await reactor.end() == 0
        assert await api.end() == 0


@pytest.mark.parametrize("kind", ["api", "reactor"])
async def test_a_server_that_was_not_asked_yet_is_not_said_to_be_away(
    place: Place, kind: str
) -> None:
    """What refuses a connection is known within seconds; of the others nothing is said."""
    (nobody,) = ports.free()
    process = Process(kind, place, HOMING_NATS_URL=f"nats://127.0.0.1:{nobody}").start()
    try:
        await until(lambda: "start.waiting" in process.log, 10)
        page = await until(lambda: _knows_nats(process))
        assert page.value("homing_dependency_up", dependency="nats") == 0
        assert page.get("homing_dependency_up", dependency="postgres") is None
    finally:
        await process.end()


async def _knows_nats(process: Process) -> Page | None:
    page = await scraped(process.internal)
    return page if page.get("homing_dependency_up", dependency="nats") is not None else None


async def test_migrate_waits_no_longer_than_it_is_told(place: Place) -> None:
    """For NATS, too, whose client would try for two minutes."""
    (nobody,) = ports.free()
    began = time.monotonic()
    environ = {"HOMING_NATS_URL": f"nats://127.0.0.1:{nobody}", "HOMING_WAIT_SECONDS": "1"}
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "homing", "migrate", stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **place.environ("homing_migrator"), **environ},
    )  # fmt: skip
    _, said = await running.communicate()
    assert (running.returncode, b"Traceback" in said) == (1, False)
    assert time.monotonic() - began < 30


async def test_a_process_of_another_partition_count_refuses_to_start(place: Place) -> None:
    """The order per key would break silently; it ends with a message instead of a traceback."""
    for kind in ("reactor", "api"):
        process = Process(kind, place, HOMING_PARTITIONS="16").start()
        assert await process.wait() == 1
        assert "HOMING_PARTITIONS says 16" in process.log
        assert "Traceback" not in process.log


@pytest.mark.parametrize("kind", ["api", "web"])
async def test_a_port_in_use_is_a_message(place: Place, kind: str) -> None:
    """The second process on a port ends with the reason and the port, and no traceback."""
    async with running_api(place) as url:
        port = url.rsplit(":", 1)[1]
        process = Process(kind, place, HOMING_PORT=port, HOMING_API_URL=url).start()
        assert await process.wait() == 1
        assert f"in use: 127.0.0.1:{port}" in process.log
        assert "Traceback" not in process.log


async def test_shared_servers_never_make_a_process_unready(place: Place) -> None:
    """All replicas would leave at once; `/readyz?verbose` says what is away."""
    api, reactor = Process("api", place).start(), Process("reactor", place).start()
    try:
        for process in (await api.ready(), await reactor.ready()):
            await until(
                lambda process=process: _says(process, "nats: answers", "postgres: answers")
            )
        await place.servers.nats.kill()
        await place.servers.postgres.kill()
        for process in (api, reactor):
            await until(lambda process=process: _says(process, "nats: away", "postgres: away"))
    finally:
        await place.servers.nats.start()
        await place.servers.postgres.start()
        assert await api.end() == 0
        assert await reactor.end() == 0


async def _says(process: Process, *lines: str) -> bool:
    async with httpx.AsyncClient() as probe:
        answer = await probe.get(f"http://127.0.0.1:{process.internal}/readyz?verbose")
    assert answer.status_code == 200
    return {"ready", *lines} <= set(answer.text.splitlines())
