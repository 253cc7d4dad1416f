"""Fixtures of all tests: the servers are real and shared, what is in them is each test's own."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog
from playwright.async_api import Browser, async_playwright

from support.place import Place, Servers, fresh_place, open_folder, running_servers
from support.up import Up
from support.visiting import CHROMIUM_OPTIONS

# As the processes do: the default shows all locals of a traceback, which takes the loop a second.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)
# The domain that only tests have is found like every other: as a distribution on the path.
sys.path.insert(0, str(Path(__file__).parent / "support" / "tally"))


@pytest.fixture(scope="session")
async def servers() -> AsyncIterator[Servers]:
    """NATS and Postgres, started once per run."""
    async with running_servers() as servers:
        yield servers


@pytest.fixture
async def place(servers: Servers) -> AsyncIterator[Place]:
    """An empty stream and a migrated database of the test's own."""
    async with fresh_place(servers) as place:
        yield place


@pytest.fixture(scope="module")
def up() -> Iterator[Up]:
    """One run of `homing up` for the tests of a module that leave it running."""
    folder = open_folder()
    started = Up(folder)
    try:
        yield started.ready()
    finally:
        started.clean_up()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Headless Chromium."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(**CHROMIUM_OPTIONS)
        yield browser
        await browser.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, visibly, what needs something that is missing; never where it is required."""
    required = os.environ.get("HOMING_REQUIRE", "").split(",")
    reasons = {"e2e": "needs a Kubernetes cluster: make e2e"}
    if not shutil.which("chromium"):
        reasons["browser"] = "needs chromium (Debian: apt-get install chromium)"
    if not shutil.which("prometheus"):
        reasons["prometheus"] = "needs prometheus (Debian: apt-get install prometheus)"
    for item in items:
        for marker in reasons.keys() - required:
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reasons[marker]))
