"""A release of the chart on a real cluster, and how many of the scenarios have run on it."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator

import pytest

from support.release import Release

ran: set[str] = set()


@pytest.fixture(scope="session")
async def release() -> AsyncIterator[Release]:
    """Installed by the first test, and used by all."""
    release = Release()
    await release.wipe()
    await release.install()
    yield release
    await release.wipe()


@pytest.fixture
async def url(release: Release) -> str:
    """The origin to open."""
    return await release.url()


@pytest.fixture(autouse=True)
async def story(request: pytest.FixtureRequest, release: Release) -> AsyncIterator[None]:
    """Tell what the cluster looks like when a test fails; no process may have ended by itself."""
    failed = request.session.testsfailed
    yield
    assert await release.restarts() == {}
    if request.session.testsfailed > failed:
        sys.stderr.write(await release.story())


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note what has run to its end, passed or not."""
    if report.when == "call" and not report.skipped:
        ran.add(report.nodeid)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many scenarios there are, and how many have run."""
    session = terminalreporter._session
    if session and required():
        terminalreporter.write_line(f"e2e: {len(ran)} of {len(scenarios(session))} scenarios ran")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fewer than all is a failure where they are required."""
    if required() and len(ran) < len(scenarios(session)):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def required() -> bool:
    """Whether none may be skipped."""
    return "e2e" in os.environ.get("HOMING_REQUIRE", "").split(",")


def scenarios(session: pytest.Session) -> list[pytest.Item]:
    """All of them that were asked for."""
    return [item for item in session.items if item.get_closest_marker("e2e")]
