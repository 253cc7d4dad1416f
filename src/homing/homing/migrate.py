"""`homing migrate`: the schema, the grants, the stream and its consumers. Safe to repeat.

It alone creates and changes them; the processes only check, so that their users need no such
rights. It waits for NATS and Postgres to answer, as it is often started together with them.
"""

from __future__ import annotations

import asyncio

from homing import registry, settings
from homing.broker import Broker, StreamPlan, connect, ensure
from homing.errors import TopologyMismatch
from homing.lifecycle import Lifecycle, patiently, run
from homing.log import configure, get
from homing.settings import MigrateSettings
from homing.storage import Database, migrate_schema, record_stream

log = get(__name__)


def main() -> None:
    """Read the settings and migrate. Exits 1 if that cannot be done."""
    config = settings.load(MigrateSettings)
    configure(config, "migrate")

    run(lambda lifecycle: _until_stopped(config, lifecycle))


async def _until_stopped(config: MigrateSettings, lifecycle: Lifecycle) -> None:
    """A signal ends it: what it has begun is rolled back, and the next attempt does it again."""
    working = asyncio.create_task(migrate(config))
    stop = asyncio.create_task(lifecycle.stopping.wait())
    await asyncio.wait((working, stop), return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if not working.done():
        working.cancel()
        await asyncio.wait((working,))
        lifecycle.fail("stopped before it was done")
    else:
        await working


async def migrate(config: MigrateSettings) -> None:
    """Bring Postgres and NATS to what this version needs.

    Raises `TopologyMismatch` or `SchemaMismatch` for what only a person can decide.
    """
    domains = registry.load().domains
    database = await patiently(
        "postgres", config.wait_seconds, lambda: Database.open(config.postgres_url, 1)
    )
    broker = await patiently(
        "nats", config.wait_seconds, lambda: connect(config.nats_url, "migrate")
    )
    try:
        roles = {"api": config.api_role, "reactor": config.reactor_role}
        folders = {name: domain.migrations for name, domain in domains.items()}
        applied = await migrate_schema(database, folders, roles)
        await _stream(config, database, broker)
        log.info("migrate.done", applied=applied, domains=sorted(domains))
    finally:
        await broker.close()
        await database.close()


async def _stream(config: MigrateSettings, database: Database, broker: Broker) -> None:
    plan = StreamPlan(
        partitions=config.partitions,
        max_bytes=config.commands_max_bytes,
        duplicate_window_seconds=config.duplicate_window_seconds,
        replicas=config.stream_replicas,
    )
    facts = await patiently("jetstream", config.wait_seconds, lambda: ensure(broker, plan))
    recorded = await record_stream(database, facts.created_at, facts.partitions)
    if recorded != (facts.created_at, facts.partitions):
        raise TopologyMismatch(
            f"this database belongs to a stream made at {recorded[0]} with {recorded[1]} "
            f"partitions, the stream that is there was made at {facts.created_at}: commands that "
            "only the lost one held are gone; decide before anything is applied again"
        )
