"""`homing reactor`: the composition root of the worker process."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence

from homing import registry, settings
from homing.broker import Announcer, Announcing, Broker, CommandStream, connect, watch_members
from homing.errors import HomingError
from homing.lifecycle import Lifecycle, patiently, run
from homing.log import configure, get
from homing.outcome import encode_announcement
from homing.registry import Registry
from homing.serving import with_probes
from homing.settings import ReactorSettings
from homing.storage import Database, Holding, RecordedStream, Rounds
from homing.verifying import verified
from homing_reactor.applying import Applier
from homing_reactor.deciding import Decider
from homing_reactor.forming import Caps
from homing_reactor.held import Surroundings
from homing_reactor.intake import Intake
from homing_reactor.lane import Lane
from homing_reactor.lease import Lease
from homing_reactor.membership import Membership

log = get(__name__)
FOREVER = float("inf")


def main() -> None:
    """Read the settings and run until a signal. Exits 1 on failure."""
    config = settings.load(ReactorSettings)
    configure(config, "reactor")
    run(lambda lifecycle: reactor(config, lifecycle))


async def reactor(config: ReactorSettings, lifecycle: Lifecycle) -> None:
    """Serve the probes, wait for NATS and Postgres, react until `lifecycle.stopping`."""
    await with_probes(config, lifecycle, lambda: _work(config, lifecycle))


async def _work(config: ReactorSettings, lifecycle: Lifecycle) -> None:
    domains = registry.load()
    ticks = await patiently(
        "postgres", FOREVER, lambda: _database(config, size=3, statement_ms=2000)
    )
    rounds = await patiently(
        "postgres", FOREVER, lambda: _database(config, size=1, statement_ms=2000)
    )
    broker = await patiently("nats", FOREVER, lambda: connect(config.nats_url, "reactor"))
    try:
        recorded = await patiently(
            "homing migrate", FOREVER, lambda: verified(config.partitions, ticks, broker, domains)
        )
        await _react(config, lifecycle, domains, (ticks, rounds), broker, recorded)
    finally:
        await broker.close()
        await rounds.close()
        await ticks.close()


async def _database(config: ReactorSettings, *, size: int, statement_ms: int) -> Database:
    # Below the lease, so that a frozen process does not keep its rows from its successor.
    idle_ms = int(min(2.0, config.lease_seconds * 0.66) * 1000)
    return await Database.open(
        config.postgres_url,
        size,
        settings={
            "application_name": "homing-reactor",
            "idle_in_transaction_session_timeout": str(idle_ms),
            "transaction_timeout": "4000",
            "statement_timeout": str(statement_ms),
            "lock_timeout": str(statement_ms // 2),
        },
        command_timeout=4.0,
        statement_cache_size=config.statement_cache_size,
    )


async def _react(
    config: ReactorSettings,
    lifecycle: Lifecycle,
    domains: Registry,
    databases: tuple[Database, Database],
    broker: Broker,
    recorded: RecordedStream,
) -> None:
    ticks, rounds = databases
    instance = f"{socket.gethostname()}-{os.getpid()}-{os.urandom(4).hex()}"
    lease, announcer = Lease(config.lease_seconds), Announcer(broker)
    holding = Holding(ticks, instance, config.lease_seconds)
    intake = Intake(domains, config.partitions, demo=config.demo == "on")
    lane: Lane

    around = Surroundings(CommandStream(broker), intake, lease, lambda: lane.kick())
    membership = Membership(
        instance, config.partitions, holding, announcer, around,
        lambda claimed: reannounce(holding, announcer, claimed, config.round_max_commands),
    )  # fmt: skip
    applier = Applier(Rounds(rounds), domains, Decider(recorded.incarnation))
    caps = Caps(config.round_max_commands, config.round_max_bytes)
    lane = Lane(applier, announcer, lease, caps, membership.held)
    lifecycle.dependencies.update(nats=lambda: broker.connected, postgres=lambda: lease.left > 0)
    broker.on_doubt(membership.reset_all)
    await watch_members(broker, membership.look)
    async with asyncio.TaskGroup() as group:
        pulse = group.create_task(broker.pulse(lifecycle.fail))
        lifecycle.started.set()
        log.info("reactor.started", instance=instance, domains=sorted(domains.domains))
        laning = group.create_task(lane.run(lifecycle.stopping))
        await membership.run(lifecycle.stopping)
        lane.kick()
        await laning
        pulse.cancel()


async def reannounce(
    holding: Holding, announcer: Announcing, claimed: Sequence[int], limit: int
) -> None:
    """Announce the last outcomes again: the last holder may have died before it could."""
    try:
        recent = await holding.recent_outcomes(claimed, limit)
    except HomingError as error:
        log.warning("outcomes.not_announced_again", why=str(error))
        return
    said = [
        (row.owner, row.command_id, encode_announcement(row.fingerprint, row.body.encode()))
        for row in recent
    ]
    await announcer.outcomes(said)
