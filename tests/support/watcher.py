"""A Prometheus inside the test cluster, which scrapes the pods of the release."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from support.prometheus import Asking
from support.release import NAMESPACE, Release
from support.running import until_answers

MANIFESTS = Path(__file__).parents[1] / "e2e" / "prometheus" / "manifests.yaml"
OWN_NAMESPACE, NODE_PORT = "homing-e2e-watching", 30090


@asynccontextmanager
async def watching(release: Release) -> AsyncIterator[Asking]:
    """Ready, and removed at the end with all that it was given."""
    places = {
        "{image}": os.environ["HOMING_E2E_PROMETHEUS"],
        "{namespace}": OWN_NAMESPACE,
        "{watched}": NAMESPACE,
        "{port}": str(NODE_PORT),
    }
    text = MANIFESTS.read_text("utf-8")
    for place, value in places.items():
        text = text.replace(place, value)
    try:
        await _kubectl("apply", "-f", "-", given=text)
        await _ready()
        url = f"http://{await release.address()}:{NODE_PORT}"
        await until_answers(f"{url}/-/ready")
        yield Asking(url)
    finally:
        await _kubectl("delete", "-f", "-", "--ignore-not-found", given=text)


async def _ready() -> None:
    """Wait for its pod; if that does not come, say what the pod said."""
    where = ("deployment/prometheus", "-n", OWN_NAMESPACE)
    try:
        await _kubectl("rollout", "status", *where, "--timeout=90s")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{await _kubectl('logs', *where)}") from None


async def _kubectl(*words: str, given: str = "") -> str:
    process = await asyncio.create_subprocess_exec(
        "kubectl", *words,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate(given.encode())
    assert process.returncode == 0, said.decode()
    return said.decode()
