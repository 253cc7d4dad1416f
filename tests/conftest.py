"""Fixtures of all tests: the servers are real and shared, what is in them is each test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from support.place import Place, Servers, fresh_place, running_servers


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
