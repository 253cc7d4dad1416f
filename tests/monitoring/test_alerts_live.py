"""Five faults in a running system, watched by a real Prometheus: the operator finds the cause.

The rules are those of the chart, with two seconds for each minute. The commands are those of the
runbooks, word for word.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator

import pytest

from homing.local import access, wheels
from support.alerts import first_command, hurried, prelude
from support.faults import (
    Fault,
    System,
    crash_loop,
    exhausted_pool,
    full_stream,
    poisoned_key,
    slow_handler,
)
from support.place import Servers, fresh_place
from support.prometheus import Prometheus, running_prometheus
from support.running import Process
from support.waiting import until
from support.world import client

pytestmark = [pytest.mark.prometheus, pytest.mark.timeout(180)]
STREAM_BYTES = 2 * 1024 * 1024
OLD = "(homing_lag_seconds) > "
THRESHOLDS = {f"{OLD}60": f"{OLD}2"}
FAULTS: dict[str, tuple[Fault, tuple[str, ...]]] = {
    # The key, each time.
    "HomingDeadLettersGrowing": (poisoned_key, (r"trouble\.make +poisoned +not-applicable: ",) * 2),
    # The type, above all others, and how long one takes.
    "HomingOldestTooOld": (slow_handler, (r"\A0\.2\S* .*type=trouble\.slow\n",)),
    # The pool, and who blocks the others.
    "HomingPoolExhausted": (
        exhausted_pool,
        (
            r"^2 .*pool=reads",
            r"idle in transaction .*LOCK TABLE tally\.tallies",
            r"Lock +\| \{\d+\}",
        ),
    ),
    # Bytes, limit, refusals; and that all is applied: not reactors are missing, but room.
    "HomingStreamNearLimit": (
        full_stream,
        (
            r"^homing_stream_bytes (1\.[89]|2\.0)\d*e\+06",
            r"^homing_stream_limit_bytes 2\.097152e\+06",
            r"^homing_submits_refused_total{reason=\"stream-full\"} [1-9]",
            r"^homing_gap_commands 0\.0",
        ),
    ),
    # What the reactor said as it ended.
    "HomingPartitionUnheld": (crash_loop, (r"process\.failed", r"8 partitions")),
}
"""By the alert that is to fire: the fault, and what the runbook's first command prints of it."""


class Scene:
    """The system, who watches it, and the operator's shell."""

    def __init__(self, system: System, prometheus: Prometheus) -> None:
        self.system = system
        self.prometheus = prometheus

    async def fires(self, alert: str) -> bool:
        """Whether it does now."""
        return alert in await self.prometheus.firing()

    async def run(self, command: str) -> str:
        """What a command of a runbook prints; what its index sets up is for this machine here."""
        place = self.system.place
        environ = {
            **os.environ,
            "PROMETHEUS": self.prometheus.url,
            "API_INTERNAL": f"http://127.0.0.1:{self.system.api.internal}",
            "HOMING_POSTGRES_URL": place.postgres_url(access.MIGRATOR),
            "SUPERUSER_URL": place.postgres_url(access.SUPERUSER),
        }
        names = f"""
            dead_letters() {{ {sys.executable} -m homing dead-letters "$@"; }}
            reactor_logs() {{ cat {self.system.reactor.log_path}; }}
            sql() {{ {wheels.postgres("psql")} "$SUPERUSER_URL" -c "$1"; }}
        """
        process = await asyncio.create_subprocess_exec(
            "bash", "-c", f"{names}\n{prelude()}\n{command}",
            env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await process.communicate()
        return said.decode()


@pytest.fixture(scope="module")
async def scene(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """One for all faults."""
    rules = tmp_path_factory.mktemp("rules")
    hurried(rules, THRESHOLDS)
    async with fresh_place(servers, 8, commands_max_bytes=STREAM_BYTES) as place:
        api = Process("api", place, HOMING_POOL_SIZE="2")
        reactor = Process("reactor", place, HOMING_LEASE_SECONDS="1")
        try:
            await api.start().ready()
            await reactor.start().ready()
            internal = [api.internal, reactor.internal]
            async with running_prometheus(internal, rules) as watching, client(api.url) as me:
                await watching.scraped()
                yield Scene(System(place, api, reactor, me), watching)
        finally:
            await reactor.end()
            await api.end()


@pytest.mark.parametrize("alert", FAULTS)
async def test_the_right_alert_fires_and_its_runbook_names_the_cause(
    scene: Scene, alert: str
) -> None:
    """It was silent before; and what its first command prints says what is wrong."""
    inject, causes = FAULTS[alert]
    assert not await scene.fires(alert)
    async with inject(scene.system):
        await until(lambda: scene.fires(alert), 60, pause=0.3)
        said = await scene.run(first_command(alert))
        for cause in causes:
            assert re.search(cause, said, re.MULTILINE), said
