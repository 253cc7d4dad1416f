"""`homing reactor`: the composition root of the worker process."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import NamedTuple

from homing import registry, settings, telemetry
from homing.broker import Announcer, Announcing, Broker, CommandStream, connect, watch_members
from homing.errors import HomingError
from homing.lag import Lag
from homing.lifecycle import FOREVER, Lifecycle, patiently, run
from homing.log import configure, get
from homing.measuring import lag_of, pools_of, stream_of, unheld_by
from homing.outcome import encode_announcement
from homing.registry import Registry
from homing.scraping import Scrape
from homing.serving import with_probes
from homing.settings import ReactorSettings
from homing.storage import Database, Holding, RecordedStream, Rounds, checkpoints, unheld
from homing.tracing.beginning import recorded
from homing.tracing.settings import read
from homing.verifying import verified
from homing_reactor.applying import Applier
from homing_reactor.deciding import Decider
from homing_reactor.forming import Caps
from homing_reactor.gate import Gate
from homing_reactor.held import Surroundings
from homing_reactor.intake import Intake
from homing_reactor.lane import Shared
from homing_reactor.lanes import ASIDE, Lanes
from homing_reactor.lease import Lease
from homing_reactor.membership import Membership
from homing_reactor.pace import Costs
from homing_reactor.retention import Retention, keeper
from homing_reactor.thinking import Mind, Runaways
from homing_reactor.watchdog import watched

log = get(__name__)
AGAIN_AT_ONCE = 8
"""Partitions whose last outcomes are announced again together."""
# Aside, a slow round holds up nobody but its own partition.
MERGED_STATEMENT_MS, ASIDE_STATEMENT_MS = 500, 2000
POOLS = (
    ("ticks", 3, 2000), ("merged", 1, MERGED_STATEMENT_MS), ("aside", ASIDE, ASIDE_STATEMENT_MS),
)  # fmt: skip
"""Name, size, and how many milliseconds a statement may take."""
THINKING_SHARE = 0.75
"""Of the time that a transaction may stand still: so it is us who end it, and know that we did."""


class Databases(NamedTuple):
    """The pools: what keeps the leases never waits for a round."""

    ticks: Database
    merged: Database
    aside: Database


def main() -> None:
    """Read the settings and run until a signal. Exits 1 on failure."""
    config = settings.load(ReactorSettings)
    traces = read(os.environ, "homing-reactor")
    configure(config, "reactor")
    run(lambda lifecycle: recorded(traces, lambda: _watched(config, lifecycle)))


async def _watched(config: ReactorSettings, lifecycle: Lifecycle) -> None:
    async with watched(config.frozen_seconds):
        await reactor(config, lifecycle)


async def reactor(config: ReactorSettings, lifecycle: Lifecycle) -> None:
    """Serve the probes, wait for NATS and Postgres, react until `lifecycle.stopping`."""
    lag, scrape = Lag(), Scrape("reactor", lifecycle)
    scrape.measure(lag_of(lag))
    await with_probes(
        config, lifecycle, lambda: _work(config, lifecycle, lag, scrape), scrape,
        {"/lag": lag.answer},
    )  # fmt: skip


async def _work(config: ReactorSettings, lifecycle: Lifecycle, lag: Lag, scrape: Scrape) -> None:
    domains = registry.load()
    telemetry.begin_at_zero("reactor", domains.types)
    opened = []
    for name, size, statement_ms in POOLS:
        open_one = partial(_database, config, name, size=size, statement_ms=statement_ms)
        opened.append(await lifecycle.answer_of("postgres", open_one))
    databases = Databases(*opened)
    scrape.measure(
        pools_of(*databases), unheld_by(partial(unheld, databases.ticks, config.lease_seconds))
    )
    broker = await lifecycle.answer_of("nats", lambda: connect(config.nats_url, "reactor"))
    try:
        recorded = await patiently(
            "homing migrate",
            FOREVER,
            lambda: verified(config.partitions, databases.ticks, broker, domains),
        )
        lag.measure_by(lambda: checkpoints(databases.ticks), CommandStream(broker))
        scrape.measure(stream_of(CommandStream(broker)))
        await _react(config, lifecycle, domains, databases, broker, recorded)
    finally:
        await broker.close()
        for database in databases:
            await database.close()


async def _database(
    config: ReactorSettings, name: str, *, size: int, statement_ms: int
) -> Database:
    return await Database.open(
        config.postgres_url,
        size,
        name=name,
        settings={
            "application_name": "homing-reactor",
            "idle_in_transaction_session_timeout": str(int(idle_seconds(config) * 1000)),
            "transaction_timeout": "4000",
            "statement_timeout": str(statement_ms),
            "lock_timeout": str(statement_ms // 2),
        },
        command_timeout=4.0,
        statement_cache_size=config.statement_cache_size,
    )


def idle_seconds(config: ReactorSettings) -> float:
    """How long a transaction may stand still.

    Below the lease, so that a frozen process does not keep its rows from its successor.
    """
    return min(2.0, config.lease_seconds * 0.66)


async def _react(
    config: ReactorSettings,
    lifecycle: Lifecycle,
    domains: Registry,
    databases: Databases,
    broker: Broker,
    recorded: RecordedStream,
) -> None:
    instance = f"{socket.gethostname()}-{os.getpid()}-{os.urandom(4).hex()}"
    lease, announcer = Lease(config.lease_seconds), Announcer(broker)
    holding = Holding(databases.ticks, instance, config.lease_seconds, recorded.incarnation)
    intake = Intake(domains, config.partitions, demo=config.demo == "on")
    lanes: Lanes

    def kick() -> None:
        lanes.kick()

    around = Surroundings(CommandStream(broker), intake, lease, kick)
    membership = Membership(
        instance, config.partitions, holding, announcer, around,
        lambda claimed: reannounce(holding, announcer, claimed, config.round_max_commands),
    )  # fmt: skip
    shared = Shared(
        membership.held, kick, announcer, holding, lease, Costs(), Gate(), idle_seconds(config)
    )
    caps = Caps(config.round_max_commands, config.round_max_bytes)
    decider, thinking_seconds = Decider(recorded.incarnation), idle_seconds(config) * THINKING_SHARE
    runaways = Runaways(lifecycle.fail)

    def applier(database: Database) -> Applier:
        mind = Mind(thinking_seconds, runaways)
        return Applier(Rounds(database), domains, decider, mind.think)

    lanes = Lanes(databases.merged, databases.aside, applier, shared, caps)
    keeping = keeper(
        membership.held, around.stream, lease, databases.ticks, retention(config),
        (recorded.incarnation, lifecycle.fail),
    )  # fmt: skip
    lifecycle.dependencies.update(nats=lambda: broker.connected, postgres=lambda: lease.left > 0)
    broker.on_doubt(membership.reset_all)
    await watch_members(broker, membership.look)
    async with asyncio.TaskGroup() as group:
        pulse = group.create_task(broker.pulse(lifecycle.fail))
        lifecycle.begin()
        log.info("reactor.started", instance=instance, domains=sorted(domains.domains))
        laning = group.create_task(lanes.run(lifecycle.stopping))
        retaining = group.create_task(keeping.run())
        await membership.run(lifecycle.stopping)
        lanes.kick()
        await laning
        pulse.cancel()
        retaining.cancel()


def retention(config: ReactorSettings) -> Retention:
    """What the settings say is kept."""
    return Retention(
        commands=timedelta(days=config.command_retention_days),
        outcomes=timedelta(days=config.outcome_retention_days),
        events=timedelta(days=config.event_retention_days),
        pace_seconds=config.retention_pace_seconds,
    )


async def reannounce(
    holding: Holding, announcer: Announcing, claimed: Sequence[int], limit: int
) -> None:
    """Announce the last outcomes again: the last holder may have died before it could.

    A few partitions at a time: those of all together would be the most memory that a reactor takes.
    """
    for start in range(0, len(claimed), AGAIN_AT_ONCE):
        try:
            recent = await holding.recent_outcomes(claimed[start : start + AGAIN_AT_ONCE], limit)
        except HomingError as error:
            log.warning("outcomes.not_announced_again", why=str(error))
            return
        await announcer.outcomes(
            (row.owner, row.command_id, encode_announcement(row.fingerprint, row.body.encode()))
            for row in recent
        )
