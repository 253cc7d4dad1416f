"""`homing migrate`: the schema, the grants, the stream and its consumers. Safe to repeat.

It alone creates and changes them; the processes only check, so that their users need no such
rights. It waits for NATS and Postgres to answer, as it is often started together with them.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from homing import registry, settings
from homing.adopting import adopt
from homing.broker import Broker, CommandStream, StreamPlan, connect, ensure
from homing.errors import WAY_ON, TopologyMismatch
from homing.lifecycle import Lifecycle, patiently, run
from homing.log import configure, get
from homing.settings import MigrateSettings
from homing.storage import (
    Database,
    RecordedStream,
    migrate_schema,
    record_stream,
    recorded_stream,
)

log = get(__name__)


def main(*, adopt_stream: bool = False) -> None:
    """Read the settings and migrate. Exits 1 if that cannot be done."""
    config = settings.load(MigrateSettings)
    configure(config, "migrate")

    run(lambda lifecycle: _until_stopped(config, lifecycle, adopt_stream))


async def _until_stopped(config: MigrateSettings, lifecycle: Lifecycle, adopt_stream: bool) -> None:
    """A signal ends it: what it has begun is rolled back, and the next attempt does it again."""
    working = asyncio.create_task(migrate(config, adopt_stream=adopt_stream))
    stop = asyncio.create_task(lifecycle.stopping.wait())
    await asyncio.wait((working, stop), return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if not working.done():
        working.cancel()
        await asyncio.wait((working,))
        lifecycle.fail("stopped before it was done")
    else:
        await working


async def migrate(config: MigrateSettings, *, adopt_stream: bool = False) -> None:
    """Bring Postgres and NATS to what this version needs; and together, with `adopt_stream`.

    Raises `TopologyMismatch` or `SchemaMismatch` for what only a person can decide, and
    `ReactorsRunning`.
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
        await _stream(config, database, broker, adopt_stream)
        log.info("migrate.done", applied=applied, domains=sorted(domains))
    finally:
        await broker.close()
        await database.close()


async def _stream(
    config: MigrateSettings, database: Database, broker: Broker, adopt_stream: bool
) -> None:
    _same_partitions(await recorded_stream(database), config.partitions)
    plan = StreamPlan(
        partitions=config.partitions,
        max_bytes=config.commands_max_bytes,
        duplicate_window_seconds=config.duplicate_window_seconds,
        replicas=config.stream_replicas,
    )
    facts = await patiently("jetstream", config.wait_seconds, lambda: ensure(broker, plan))
    recorded = await record_stream(database, facts.created_at, facts.partitions)
    if adopt_stream:
        kept = timedelta(days=config.outcome_retention_days)
        await adopt(database, CommandStream(broker), recorded, facts, kept)
    elif recorded.created_at != facts.created_at:
        raise TopologyMismatch(
            f"this database belongs to a stream made at {recorded.created_at}, the stream that is "
            f"there was made at {facts.created_at}: commands that only the lost one held are gone. "
            f"To go on with this one, {WAY_ON}"
        )


def _same_partitions(recorded: RecordedStream | None, partitions: int) -> None:
    """Before a stream is made that the database could never belong to."""
    if recorded is not None and recorded.partitions != partitions:
        raise TopologyMismatch(
            f"the database has {recorded.partitions} partitions, HOMING_PARTITIONS says "
            f"{partitions}; the number is fixed when the stream is created"
        )
