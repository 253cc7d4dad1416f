"""`homing api`: the composition root of the HTTP process.

Order of stopping: not ready; held responses are answered; streams end, spread over the drain
window; the listeners close; NATS and Postgres close last.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from homing import registry, settings, telemetry
from homing.broker import Broker, CommandStream, Publisher, connect, watch_outcomes
from homing.lag import Lag
from homing.lifecycle import FOREVER, Lifecycle, patiently, run
from homing.log import configure, get
from homing.measuring import lag_of, pools_of, stream_of, unheld_by
from homing.registry import Registry
from homing.scraping import Scrape
from homing.serving import linger, serve, with_probes
from homing.settings import ApiSettings
from homing.storage import (
    Database,
    Outcomes,
    Reading,
    RecordedStream,
    Sights,
    checkpoints,
    unheld,
)
from homing.tracing.beginning import recorded
from homing.tracing.requests import served
from homing.tracing.settings import read
from homing.verifying import verified
from homing_api.batch import Batch
from homing_api.hub import Hub
from homing_api.operators.desk import Letters
from homing_api.operators.routes import Operators
from homing_api.operators.watching import Watcher
from homing_api.pressure import Pressure
from homing_api.querying import Queries
from homing_api.routes import Parts, build
from homing_api.session import Sessions
from homing_api.status import Status
from homing_api.streaming import Streaming
from homing_api.streams import Caps, Streams
from homing_api.submitting import Limits, Loop, Submitter
from homing_api.sweeping import Sweeper

log = get(__name__)
SWEEP_CONNECTIONS = 2
REPLAY_SECONDS = 10.0


def main() -> None:
    """Read the settings and serve until a signal. Exits 1 on failure."""
    config = settings.load(ApiSettings)
    traces = read(os.environ, "homing-api")
    configure(config, "api")
    run(lambda lifecycle: recorded(traces, lambda: api(config, lifecycle)))


async def api(config: ApiSettings, lifecycle: Lifecycle) -> None:
    """Serve the probes, wait for NATS and Postgres, serve until `lifecycle.stopping`."""
    lag, scrape, operators = Lag(), Scrape("api", lifecycle), Operators(config)
    scrape.measure(lag_of(lag))
    await with_probes(
        config, lifecycle, lambda: _work(config, lifecycle, lag, scrape, operators), scrape,
        {"/lag": lag.answer}, operators.app,
    )  # fmt: skip


@dataclass(frozen=True)
class Servers:
    """What the process is connected to."""

    broker: Broker
    reads: Database
    sweeps: Database
    """Its own, so that no flood of queries keeps outcomes from those who wait for them."""


async def _work(
    config: ApiSettings, lifecycle: Lifecycle, lag: Lag, scrape: Scrape, operators: Operators
) -> None:
    domains = registry.load()
    telemetry.begin_at_zero("api", domains.types)
    opened = []
    for name, size in (("reads", config.pool_size), ("sweeps", SWEEP_CONNECTIONS)):
        open_one = partial(_database, config, name, size)
        opened.append(await lifecycle.answer_of("postgres", open_one))
    reads, sweeps = opened
    scrape.measure(pools_of(*opened), unheld_by(partial(unheld, sweeps, config.lease_seconds)))
    broker = await lifecycle.answer_of("nats", lambda: connect(config.nats_url, "api"))
    servers = Servers(broker, reads, sweeps)
    try:
        recorded = await patiently(
            "homing migrate",
            FOREVER,
            lambda: verified(config.partitions, servers.reads, servers.broker, domains),
        )
        lag.measure_by(lambda: checkpoints(sweeps), CommandStream(broker))
        scrape.measure(stream_of(CommandStream(broker)))
        pressure = Pressure(lag.measured, config.lag_max_seconds)
        async with _operated(config, operators, servers, lag):
            await _serve(config, lifecycle, domains, servers, recorded, pressure)
    finally:
        await broker.close()
        await sweeps.close()
        await reads.close()


async def _database(config: ApiSettings, name: str, size: int) -> Database:
    return await Database.open(
        config.postgres_url,
        size,
        name=name,
        settings={"application_name": "homing-api", "statement_timeout": "4000"},
        statement_cache_size=config.statement_cache_size,
    )


@asynccontextmanager
async def _operated(
    config: ApiSettings, operators: Operators, servers: Servers, lag: Lag
) -> AsyncIterator[None]:
    """Serve operators meanwhile, with nothing of what submits and waits need."""
    watcher = Watcher(
        Sights(servers.reads), lag,
        lease_seconds=config.lease_seconds, writable=operators.guard.writable,
    )  # fmt: skip
    publisher = Publisher(servers.broker, 1, REPLAY_SECONDS)
    operators.open(watcher, Letters(servers.reads, servers.broker, publisher))
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(watcher.run())
        try:
            yield
        finally:
            watcher.end()
            watching.cancel()


async def _serve(
    config: ApiSettings,
    lifecycle: Lifecycle,
    domains: Registry,
    servers: Servers,
    recorded: RecordedStream,
    pressure: Pressure,
) -> None:
    outcomes = Outcomes(servers.sweeps)
    hub = Hub(outcomes.read)
    sweeper = Sweeper(hub, outcomes, await outcomes.look())
    streams = Streams(
        Caps(config.streams_per_owner, config.streams_max, config.stream_lifetime_seconds)
    )
    publisher = Publisher(
        servers.broker, config.publish_concurrency, config.publish_deadline_seconds
    )
    stream = CommandStream(servers.broker)
    loop = Loop(publisher, stream, hub, outcomes, sweeper, pressure)
    limits = Limits(config.commands_in_flight, config.waits_max, config.wait_max_seconds)
    retention = timedelta(days=config.outcome_retention_days)
    reads = Outcomes(servers.reads)
    submitter = Submitter(loop, limits, recorded.incarnation, lifecycle.stopping)
    app = build(
        Parts(
            settings=config,
            registry=domains,
            sessions=Sessions(config.session_keys),
            submitter=submitter,
            batch=Batch(
                domains,
                submitter,
                config.partitions,
                config.body_max_bytes,
                config.publish_deadline_seconds,
                timedelta(days=config.command_retention_days),
            ),
            status=Status(reads, stream, recorded.incarnation, retention),
            outcomes=reads,
            queries=Queries(Reading(servers.reads)),
            streams=streams,
            streaming=Streaming(
                streams, hub, reads, sweeper, recorded.incarnation, submitter.waits
            ),
        )
    )
    lifecycle.dependencies.update(
        nats=lambda: servers.broker.connected, postgres=lambda: sweeper.answering
    )
    servers.broker.on_doubt(sweeper.kick)
    await watch_outcomes(servers.broker, hub.announced)
    closed = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        background = [
            group.create_task(work)
            for work in (
                hub.read_stored(),
                sweeper.run(),
                streams.tick(),
                pressure.run(),
                servers.broker.pulse(lifecycle.fail),
            )
        ]
        serving = group.create_task(
            serve(served(app), config.bind, config.port, closed, lifecycle.stopping)
        )
        lifecycle.begin()
        log.info("api.started", port=config.port, domains=sorted(domains.domains))
        await lifecycle.stopping.wait()
        await linger(streams.drain(config.drain_seconds), config.drain_seconds)
        closed.set()
        await serving
        for task in background:
            task.cancel()
    log.info("api.stopped")
