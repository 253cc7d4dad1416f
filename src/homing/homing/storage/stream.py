"""Which stream of commands this database belongs to (`homing.stream`), and its partitions' rows."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from homing.partition import STREAM
from homing.storage.database import Database

_RECORD = """
INSERT INTO homing.stream (name, created_at, partitions) VALUES ($1, $2, $3)
ON CONFLICT (name) DO NOTHING
"""
_READ = "SELECT created_at, partitions, incarnation FROM homing.stream WHERE name = $1"
_PARTITIONS = """
INSERT INTO homing.partitions (partition) SELECT generate_series(0, $1::int - 1)
ON CONFLICT (partition) DO NOTHING
"""
_CHECKPOINTS = (
    "SELECT partition, checkpoint, checkpoint_at FROM homing.partitions ORDER BY partition"
)


class Checkpoint(NamedTuple):
    """How far a partition is applied."""

    sequence: int
    at: datetime | None
    """The stream's time of that message; None before the first one."""


class RecordedStream(NamedTuple):
    """What the database knows of its stream."""

    created_at: datetime
    partitions: int
    incarnation: int


async def record_stream(
    database: Database, created_at: datetime, partitions: int
) -> tuple[datetime, int]:
    """Record the stream if none is; what is recorded: (created at, partitions)."""
    async with database.connection() as connection, connection.transaction():
        await connection.execute(_RECORD, STREAM, created_at, partitions)
        row = (await connection.fetch(_READ, STREAM))[0]
        recorded = (row[0], row[1])
        if recorded == (created_at, partitions):
            await connection.execute(_PARTITIONS, partitions)
        return recorded


async def recorded_stream(database: Database) -> RecordedStream | None:
    """The stream that this database belongs to; None before the first `homing migrate`."""
    rows = await database.fetch(_READ, STREAM)
    return RecordedStream(*rows[0]) if rows else None


async def checkpoints(database: Database) -> dict[int, Checkpoint]:
    """How far each partition is applied."""
    return {row[0]: Checkpoint(row[1], row[2]) for row in await database.fetch(_CHECKPOINTS)}
