"""Fixtures of all tests: the servers are real and shared, what is in them is each test's own."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.place import Place, Servers, fresh_place, running_servers

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
