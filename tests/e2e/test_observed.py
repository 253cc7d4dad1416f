"""A Prometheus in the cluster scrapes the pods of the release, and sees what a scale-out does."""

from __future__ import annotations

import asyncio
import itertools

import httpx
import pytest

from support.boards import panel, sent
from support.prometheus import Asking
from support.release import Release
from support.waiting import until
from support.watcher import watching

pytestmark = pytest.mark.e2e
SLOW = "/api/commands/trouble.slow"
A_SECOND = 16
"""A reactor has two lanes for slow types, and one takes 0.2 s: it gets 10 a second done."""
BEHIND_SECONDS, LEVEL_SECONDS = 5.0, 1.5
KEYS = 64


@pytest.mark.timeout(300)
async def test_lag_rises_and_falls_around_a_scale_out(release: Release, url: str) -> None:
    """More comes than one reactor gets done; with four, all of it is, while as much comes."""
    await release.scale("reactor", 1)
    async with watching(release) as prometheus, httpx.AsyncClient(base_url=url, timeout=40) as http:
        await http.get("/api/session")
        await until(lambda: _shows(prometheus, "Reactors", 1, 1), 60, pause=0.5)
        stop = asyncio.Event()
        feeding = asyncio.create_task(_feed(http, stop))
        try:
            await until(lambda: _shows(prometheus, "Lag", BEHIND_SECONDS), 90, pause=0.5)
            assert await _shows(prometheus, "Gap", 10)
            await release.scale("reactor", 4)
            await until(lambda: _shows(prometheus, "Reactors", 4, 4), 60, pause=0.5)
            await until(lambda: _shows(prometheus, "Lag", 0, LEVEL_SECONDS), 90, pause=0.5)
        finally:
            stop.set()
            await feeding
        await until(lambda: _shows(prometheus, "Gap", 0, 0), 60, pause=0.5)
        await until(
            lambda: _shows(prometheus, "Partitions held, by reactor", 16, 16), 60, pause=0.5
        )
        (rose,) = await _numbers(prometheus, "Oldest unapplied command", "max_over_time")
        assert rose > BEHIND_SECONDS
    await release.scale("reactor", 2)


async def _feed(http: httpx.AsyncClient, stop: asyncio.Event) -> None:
    """Commands of the slow type, at an even pace."""
    clock = asyncio.get_running_loop().time
    began = clock()
    for number in itertools.count():
        await asyncio.sleep(max(0.0, began + number / A_SECOND - clock()))
        if stop.is_set():
            return
        answer = await http.post(SLOW, json={"trouble_id": f"slow {number % KEYS}"})
        assert answer.status_code == 202, answer.text


async def _shows(prometheus: Asking, title: str, least: float, most: float = float("inf")) -> bool:
    """Whether all numbers of a panel are in between, and there are some."""
    numbers = await _numbers(prometheus, title)
    return bool(numbers) and all(least <= number <= most for number in numbers)


async def _numbers(prometheus: Asking, title: str, over_time: str = "") -> list[float]:
    expr = sent(panel(title).queries[0], 10, 60)
    if over_time:
        expr = f"{over_time}({expr}[10m:1s])"
    return [float(one["value"][1]) for one in await prometheus.ask(expr)]
