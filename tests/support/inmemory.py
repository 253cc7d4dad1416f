"""The loop without servers: the real parts of both processes over the doubles.

There is no membership, since leases have no double: one reactor holds all partitions.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec

from homing.lag import Lag
from homing.outcome import OwnerToken, Stored
from homing.registry import Registry, load
from homing.testing.memory_broker import MemoryBroker
from homing.testing.memory_store import MemoryStore
from homing_api.hub import Hub
from homing_api.pressure import Pressure
from homing_api.receiving import receive
from homing_api.submitting import Limits, Loop, Submitted, Submitter
from homing_api.sweeping import Sweeper
from homing_api.wrapping import Asked, Wrapped, wrap
from homing_reactor.applying import Applier
from homing_reactor.deciding import Decider
from homing_reactor.forming import Caps
from homing_reactor.gate import Gate
from homing_reactor.held import Held, Surroundings
from homing_reactor.intake import Intake
from homing_reactor.lane import Lane, Shared
from homing_reactor.lease import Lease
from homing_reactor.pace import Costs, Pace

PARTITIONS = 8
INCARNATION = 1
LEASE_SECONDS = 3600.0
CAPS = Caps(200, 1 << 20)


@dataclass(frozen=True)
class Api:
    """The part of an API that commands go out by and outcomes come home by."""

    registry: Registry
    submitter: Submitter
    sweeper: Sweeper

    def wrapped(self, owner: OwnerToken, kind: str, key: str | None = None, **said: Any) -> Wrapped:
        """A command as it is published; `key` is an idempotency key."""
        received = receive(self.registry, kind, "application/json", msgspec.json.encode(said))
        return wrap(received, owner, PARTITIONS, Asked(idempotency_key=key))

    async def submit(
        self, owner: OwnerToken, kind: str, key: str | None = None, **said: Any
    ) -> Submitted:
        """Submit a command and wait for its outcome."""
        return await self.submitter.submit(self.wrapped(owner, kind, key, **said), 5.0)

    async def outcome(self, owner: OwnerToken, kind: str, **said: Any) -> Stored:
        """The outcome, which must come in time."""
        submitted = await self.submit(owner, kind, **said)
        assert submitted.outcome is not None
        return submitted.outcome


@asynccontextmanager
async def running_api(
    broker: MemoryBroker, store: MemoryStore, *, hears: bool = True
) -> AsyncIterator[Api]:
    """An API; without `hears`, every announcement is lost on its way to it."""
    hub = Hub(store.read)
    sweeper = Sweeper(hub, store, await store.look())
    pressure = Pressure(Lag().measured, None)
    loop = Loop(broker, broker, hub, store, sweeper, pressure)
    submitter = Submitter(loop, Limits(1000, 1000, 5.0), INCARNATION, asyncio.Event())
    if hears:
        await broker.watch_outcomes(hub.announced)
    reading = asyncio.create_task(hub.read_stored())
    try:
        yield Api(load(), submitter, sweeper)
    finally:
        reading.cancel()


@asynccontextmanager
async def running_reactor(broker: MemoryBroker, store: MemoryStore) -> AsyncIterator[None]:
    """A reactor that holds everything, from where the store says that it is applied."""
    registry, lease, stopping = load(), Lease(LEASE_SECONDS), asyncio.Event()
    lease.renewed(time.monotonic())
    lanes: list[Lane]

    def kick() -> None:
        for lane in lanes:
            lane.kick()

    intake = Intake(registry, PARTITIONS, demo=False)
    around = Surroundings(broker, intake, lease, kick)
    held = [
        Held(number, store.hold(number), row.checkpoint, row.checkpoint_at, around)
        for number, row in store.partitions.items()
    ]
    applier = Applier(store, registry, Decider(INCARNATION))
    shared = Shared(lambda: held, kick, broker, store, lease, Costs(), Gate(), 2.0)
    lanes = [Lane(applier, shared, Pace(CAPS), aside=aside) for aside in (False, True)]
    async with asyncio.TaskGroup() as group:
        for lane in lanes:
            group.create_task(lane.run(stopping))
        for one in held:
            group.create_task(one.run())
        try:
            yield
        finally:
            stopping.set()
            kick()
            for one in held:
                one.stop()
