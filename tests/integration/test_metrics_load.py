"""Under load, the metrics are what the client counted; and they show when reactors are too slow."""

from __future__ import annotations

import asyncio
import itertools
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx

from homing.local import ports
from support.place import Place
from support.running import Process
from support.scraped import scraped
from support.waiting import until
from support.world import client

ADD, BATCH = "/api/commands/tally.add", "/api/commands"
BATCHES, ITEMS, SINGLE = 5, 50, 40
ROUND, A_SECOND = 8, 12.0
"""A slow reactor has a round of so many a second at most: one is too slow for this, two are not."""


@asynccontextmanager
async def running(*processes: Process) -> AsyncIterator[None]:
    """Ready at the beginning, gone at the end."""
    try:
        await asyncio.gather(*(one.start().ready() for one in processes))
        yield
    finally:
        for one in processes:
            await one.end(signal.SIGKILL)


async def test_the_values_are_what_the_client_counted(place: Place) -> None:
    """Accepted, applied and outcomes are equal, over two reactors; exemplars lead to traces."""
    nowhere = f"http://127.0.0.1:{ports.free()[0]}"
    traced = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": nowhere}
    api = Process("api", place, **traced)
    reactors = [Process("reactor", place, **traced) for _ in range(2)]
    async with running(api, *reactors), client(api.url) as me:
        answers: Counter[int] = Counter()
        traces = set()
        for batch in range(BATCHES):
            items = [_add(f"b{batch}-{number % 7}", number) for number in range(ITEMS)]
            said = (await me.post(BATCH, json=items)).json()
            answers.update(one["status"] for one in said)
        for number in range(SINGLE):
            payload = {"tally_id": f"s{number % 5}", "number": number - 10}
            answer = await me.post(ADD, json=payload, headers={"Prefer": "wait=20"})
            answers[answer.status_code] += 1
            traces.add(answer.json().get("outcome", answer.json())["trace_id"])
        sent = BATCHES * ITEMS + SINGLE
        assert answers == {202: BATCHES * ITEMS, 200: SINGLE - 10, 409: 10}

        async def applied() -> bool:
            pages = [await scraped(one.internal) for one in reactors]
            return sum(page.value("homing_commands_applied_total") for page in pages) == sent

        await until(applied)
        rows = await place.rows("SELECT status, count(*) FROM homing.outcomes GROUP BY status")
        assert dict(rows) == {"succeeded": sent - 10, "rejected": 10}
        page = await scraped(api.internal)
        pages = [await scraped(one.internal) for one in reactors]
        assert page.value("homing_commands_accepted_total") == sent
        assert page.value("homing_commands_submitted_total") == sent
        for status, count in rows:
            name = "homing_commands_applied_total"
            assert sum(one.value(name, status=status) for one in pages) == count
            assert (
                page.value("homing_waits_ended_total", cause=status)
                == answers[{"succeeded": 200, "rejected": 409}[status]]
            )
        queued = "homing_step_seconds_count"
        assert sum(one.value(queued, step="queue") for one in pages) == sent
        assert sum(one.value("homing_partitions_held") for one in pages) == place.partitions
        assert page.value("homing_loop_seconds_count", over="response") == SINGLE
        found = page.exemplars("homing_loop_seconds_bucket")
        assert found
        assert found <= traces
        assert page.exemplars("homing_step_seconds_bucket", step="publish")
        assert pages[0].exemplars("homing_step_seconds_bucket", step="queue")


async def test_slow_reactors_show_and_another_one_helps(place: Place) -> None:
    """Time-outs and lag rise; a second reactor joins: lag falls, as every process says."""
    slow = {"HOMING_ROUND_MAX_COMMANDS": str(ROUND)}
    api = Process("api", place)
    first, second = (Process("reactor", place, ("slow",), **slow) for _ in range(2))
    async with running(api, first), client(api.url) as me:
        sending = asyncio.create_task(_send(me))
        try:
            peak = await until(lambda: _lag_above(api, 4.0), 60, pause=0.3)
            late = await until(lambda: _timed_out(api), 20, pause=0.3)
            await until(lambda: _lag_above(first, peak + 0.5), 60, pause=0.3)
            assert await _timed_out(api) > late
            async with running(second):
                for one in (api, first, second):
                    await until(lambda one=one: _lag_below(one, 2.5), 60, pause=0.3)
                held = [await scraped(one.internal) for one in (first, second)]
                assert [page.value("homing_partitions_held") for page in held] == [4, 4]
        finally:
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending


def _add(tally_id: str, number: int) -> dict[str, Any]:
    return {"type": "tally.add", "payload": {"tally_id": tally_id, "number": number}}


async def _send(me: httpx.AsyncClient) -> None:
    """At an even pace, each with a wait of a bit more than two rounds."""
    clock = asyncio.get_running_loop().time
    began = clock()
    async with asyncio.TaskGroup() as group:
        for number in itertools.count():
            await asyncio.sleep(max(0.0, began + number / A_SECOND - clock()))
            payload = {"tally_id": f"t{number}", "number": 1}
            group.create_task(me.post(ADD, json=payload, headers={"Prefer": "wait=3"}))


async def _timed_out(api: Process) -> float:
    page = await scraped(api.internal)
    return page.value("homing_waits_ended_total", cause="timed-out")


async def _lag(one: Process) -> float:
    page = await scraped(one.internal)
    lag = page.value("homing_lag_seconds")
    partitions = [
        sample.value for sample in page.samples if sample.name == "homing_partition_lag_seconds"
    ]
    assert max(partitions) == lag
    return lag


async def _lag_above(one: Process, seconds: float) -> float | None:
    lag = await _lag(one)
    return lag if lag > seconds else None


async def _lag_below(one: Process, seconds: float) -> bool:
    return await _lag(one) < seconds
