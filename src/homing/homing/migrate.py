"""`homing migrate`: the schema, the grants, the stream and its consumers. Safe to repeat.

It alone creates and changes them; the processes only check, so that their users need no such
rights. It waits for NATS and Postgres to answer, as it is often started together with them.
"""

from __future__ import annotations

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

    async def work(_lifecycle: Lifecycle) -> None:
        await migrate(config)

    run(work)


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
