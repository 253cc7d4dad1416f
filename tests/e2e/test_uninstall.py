"""What is left when a release is removed, and found when it comes again."""

from __future__ import annotations

import httpx
import pytest
from kr8s.asyncio.objects import (
    ConfigMap,
    Deployment,
    Job,
    PersistentVolumeClaim,
    Pod,
    PodDisruptionBudget,
    Secret,
    Service,
    ServiceAccount,
    StatefulSet,
)

from support.ledger import ADD
from support.release import Release

pytestmark = pytest.mark.e2e
KINDS = (
    ConfigMap, Deployment, Job, PersistentVolumeClaim, Pod, PodDisruptionBudget, Secret, Service,
    ServiceAccount, StatefulSet,
)  # fmt: skip


@pytest.mark.timeout(300)
async def test_uninstalling_leaves_the_data_and_nothing_else(release: Release, url: str) -> None:
    """Only the claims of the volumes stay, and a new install finds what is on them."""
    wait = {"Prefer": "wait=20"}
    payload = {"tally_id": "kept", "number": 5}
    async with httpx.AsyncClient(base_url=url, timeout=40) as http:
        await http.get("/api/session")
        assert (await http.post(ADD, json=payload, headers=wait)).json()["data"]["count"] == 1
    await release.uninstall()
    left = await release.left(*KINDS)
    assert len(left) == 2
    assert all(one.startswith("PersistentVolumeClaim/") for one in left)
    await release.install()
    async with httpx.AsyncClient(base_url=url, timeout=40) as http:
        await http.get("/api/session")
        assert (await http.post(ADD, json=payload, headers=wait)).json()["data"]["count"] == 2
