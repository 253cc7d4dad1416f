"""Pods of our own come and go under load: by force, and by a rolling restart."""

from __future__ import annotations

import pytest

from support.load import accepted, under_load
from support.release import Release
from support.waiting import until

pytestmark = pytest.mark.e2e
COMPONENTS = ("api", "reactor", "web")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("component", COMPONENTS)
async def test_every_pod_of_a_component_is_deleted(
    release: Release, url: str, component: str
) -> None:
    """All at once, under load: what was accepted takes effect once, in order, and is told."""
    async with under_load(url) as clients:
        await accepted(clients, 100)
        await release.kill(component)
        await accepted(clients, 200)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("component", COMPONENTS)
async def test_a_rolling_restart_is_not_noticed(release: Release, url: str, component: str) -> None:
    """With 200 streams open: no request fails, no outcome is lost, no client is left closed."""
    async with under_load(url, owners=50, ears=4) as clients:
        await accepted(clients, 100)
        await release.restart(component)
        await accepted(clients, 200)
        ears = [ear for client in clients for ear in client.ears]
        assert len(ears) == 200
        await until(lambda: all(ear.open for ear in ears), 30)
    assert [trouble for client in clients for trouble in client.troubles] == []
    assert [status for ear in ears for status in ear.refusals] == []
    assert [ear.resets for ear in ears] == [0] * len(ears)
