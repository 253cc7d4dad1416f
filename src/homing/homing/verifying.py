"""Whether stream, database and settings belong together: each process asks before it starts."""

from __future__ import annotations

from homing.broker import Broker, verify
from homing.errors import WAY_ON, NotMigrated, TopologyMismatch
from homing.registry import Registry
from homing.storage import Database, RecordedStream, check_schema, recorded_stream


async def verified(
    partitions: int, database: Database, broker: Broker, registry: Registry
) -> RecordedStream:
    """What `homing migrate` left.

    Raises `NotMigrated`, which is worth waiting for, and `TopologyMismatch`, which is not.
    """
    folders = {name: domain.migrations for name, domain in registry.domains.items()}
    await check_schema(database, folders)
    facts = await verify(broker, partitions)
    recorded = await recorded_stream(database)
    if recorded is None:
        raise NotMigrated("the database does not know its stream")
    if recorded[:2] != (facts.created_at, facts.partitions):
        raise TopologyMismatch(
            f"the database belongs to the stream of {recorded.created_at}, the one that is there "
            f"was made at {facts.created_at}; {WAY_ON}"
        )
    return recorded
