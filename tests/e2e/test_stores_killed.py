"""NATS and Postgres go away under load and come back: nothing that was accepted is lost."""

from __future__ import annotations

import pytest

from support.load import accepted, under_load
from support.release import Release

pytestmark = pytest.mark.e2e


@pytest.mark.timeout(300)
@pytest.mark.parametrize("component", ["nats", "postgres"])
async def test_a_store_is_killed(release: Release, url: str, component: str) -> None:
    """Without a grace: submits are answered, or 503 with `Retry-After`; nothing is lost."""
    async with under_load(url) as clients:
        await accepted(clients, 100)
        await release.kill(component, grace_seconds=0)
        await accepted(clients, 200)
    troubles = [trouble for client in clients for trouble in client.troubles]
    assert [trouble for trouble in troubles if not trouble.startswith("503, Retry-After")] == []
