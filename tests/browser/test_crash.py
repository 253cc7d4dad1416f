"""A reactor dies while the page waits: another one takes over, and the page gets its outcome."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from homing.local import ports
from support.up import Up, answers
from support.visiting import Visit, expect_state, register, rows, unused
from support.waiting import until

pytestmark = pytest.mark.browser
LEASE_SECONDS = 3.0
GRACE_SECONDS = 2.0


class TwoReactors:
    """`homing up` without reactors, and two that nobody starts again."""

    def __init__(self, folder: Path) -> None:
        self.up = Up(folder, "--reactors", "0").ready()
        self.flag = folder / "die"
        self.reactors: dict[int, subprocess.Popen[bytes]] = {}
        for port in ports.free(2):
            self._start(port)
            url = f"http://127.0.0.1:{port}/readyz"
            self.up.until(lambda url=url: answers(url))

    def _start(self, port: int) -> None:
        facts = self.up.facts
        environ = {
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parent.parent),
            "HOMING_NATS_URL": facts["nats"],
            "HOMING_POSTGRES_URL": facts["postgres"],
            "HOMING_INTERNAL_PORT": str(port),
            "HOMING_LEASE_SECONDS": str(int(LEASE_SECONDS)),
            "HOMING_DEMO": "on",
        }
        words = [sys.executable, "-m", "support.faulty", "reactor", "committed", str(self.flag)]
        process = subprocess.Popen(words, env=environ, stderr=subprocess.DEVNULL)
        self.reactors[process.pid] = process

    async def holder(self, partition: int) -> int:
        """The process that holds a partition."""
        sql = "SELECT holder FROM homing.partitions WHERE partition = $1"
        (row,) = await rows(self.up, sql, partition)
        return int(row["holder"].split("-")[-2])

    async def settled(self) -> bool:
        """Whether each reactor holds its half."""
        sql = "SELECT count(*) FROM homing.partitions WHERE holder IS NOT NULL GROUP BY holder"
        held = [row["count"] for row in await rows(self.up, sql)]
        return len(held) == 2 and max(held) - min(held) <= 1 and sum(held) == 64

    def end(self) -> None:
        for process in self.reactors.values():
            process.kill()
            process.wait()
        self.up.clean_up()


@pytest.fixture
def two(folder: Path) -> Iterator[TwoReactors]:
    """A place of the test's own, with two reactors."""
    two = TwoReactors(folder)
    yield two
    two.end()


@pytest.fixture
async def tab(two: TwoReactors, visit: Visit) -> Page:
    """A tab at that place, once both reactors have their share."""
    await until(two.settled)
    return await (await visit(two.up.facts["url"])).new_page()


async def test_the_reactor_that_has_the_command_is_killed(two: TwoReactors, tab: Page) -> None:
    """The other one applies it when the lease is over, or when the simulated delay is.

    That delay counts from the moment of storing, so that a successor does not begin it anew.
    """
    name = unused("Gmunden")
    async with tab.expect_response("**/api/commands/*") as accepted:
        await register(tab, name, timeout=1, delay=5)
    position = (await (await accepted.value).json())["position"]
    sent = time.monotonic()
    victim = two.reactors[await two.holder(position["partition"])]
    victim.kill()
    killed = time.monotonic()
    await expect_state(tab, name, "late")
    await expect_state(tab, name, "succeeded")
    assert time.monotonic() <= max(killed + LEASE_SECONDS, sent + 5) + GRACE_SECONDS
    await expect(tab.locator(".toast")).to_contain_text(f"“{name}” is ready now.")


async def test_the_reactor_dies_between_commit_and_announcement(
    two: TwoReactors, tab: Page
) -> None:
    """Nothing redelivers it and nobody announced it: the page is told nevertheless."""
    name = unused("Hallstatt")
    two.flag.touch()
    await register(tab, name, timeout=1)
    exits = [asyncio.to_thread(process.wait) for process in two.reactors.values()]
    done, _ = await asyncio.wait(
        [asyncio.create_task(one) for one in exits], return_when=asyncio.FIRST_COMPLETED
    )
    killed = time.monotonic()
    assert {one.result() for one in done} == {-signal.SIGKILL}
    await expect_state(tab, name, "succeeded")
    assert time.monotonic() - killed <= LEASE_SECONDS + GRACE_SECONDS
    assert not two.flag.exists()
    await expect(tab.locator(".toast").filter(has_text=name)).to_be_visible()
