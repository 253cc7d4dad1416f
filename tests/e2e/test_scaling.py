"""Reactors and API are scaled under load, each on its own."""

from __future__ import annotations

import pytest

from support.load import accepted, under_load
from support.release import Release

pytestmark = pytest.mark.e2e


@pytest.mark.timeout(300)
async def test_reactors_and_api_are_scaled_under_load(release: Release, url: str) -> None:
    """1, 4, 1 reactors and 1, 2 APIs under 50 commands/s: nothing lost, doubled, out of order."""
    await release.scale("reactor", 1)
    await release.scale("api", 1)
    async with under_load(url) as clients:
        await accepted(clients, 100)
        await release.scale("reactor", 4)
        await accepted(clients, 200)
        await release.scale("api", 2)
        await accepted(clients, 200)
        await release.scale("reactor", 1)
        await accepted(clients, 200)
    await release.scale("reactor", 2)
