"""Which stream of commands this database belongs to (`homing.stream`), and its partitions' rows.

Adopting is the way on when the stream was made anew, restored or rolled back: from then on the
database belongs to the stream as it is, and everything in it is applied again. Outcomes that are
known keep a command from a second effect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from homing.errors import ReactorsRunning
from homing.partition import STREAM
from homing.storage.checkpoint import Checkpoint
from homing.storage.database import Database

_RECORD = """
INSERT INTO homing.stream (name, created_at, partitions) VALUES ($1, $2, $3)
ON CONFLICT (name) DO NOTHING
"""
_READ = "SELECT created_at, partitions, incarnation FROM homing.stream WHERE name = $1"
_RUNNING = """
SELECT instance FROM homing.reactors
WHERE seen_at > now() - make_interval(secs => $1) ORDER BY instance
"""
_ADOPT = """
UPDATE homing.stream SET created_at = $2, incarnation = incarnation + 1 WHERE name = $1
RETURNING incarnation
"""
_BEGIN_AGAIN = """
UPDATE homing.partitions p
SET epoch = p.epoch + 1, holder = NULL, checkpoint = u.checkpoint, checkpoint_at = u.at,
    deaths = 0, suspect = NULL, suspect_deaths = 0
FROM unnest($1::int[], $2::bigint[], $3::timestamptz[]) u(partition, checkpoint, at)
WHERE p.partition = u.partition
"""
RUNNING_SECONDS = 15.0
"""A reactor that was not seen for so long has ended, or will end itself when it wakes."""
_PARTITIONS = """
INSERT INTO homing.partitions (partition) SELECT generate_series(0, $1::int - 1)
ON CONFLICT (partition) DO NOTHING
"""
_CHECKPOINTS = (
    "SELECT partition, checkpoint, checkpoint_at FROM homing.partitions ORDER BY partition"
)


class RecordedStream(NamedTuple):
    """What the database knows of its stream."""

    created_at: datetime
    partitions: int
    incarnation: int


async def record_stream(
    database: Database, created_at: datetime, partitions: int
) -> RecordedStream:
    """Record the stream if none is; what is recorded."""
    async with database.connection() as connection, connection.transaction():
        await connection.execute(_RECORD, STREAM, created_at, partitions)
        recorded = RecordedStream(*(await connection.fetch(_READ, STREAM))[0])
        if recorded[:2] == (created_at, partitions):
            await connection.execute(_PARTITIONS, partitions)
        return recorded


async def recorded_stream(database: Database) -> RecordedStream | None:
    """The stream that this database belongs to; None before the first `homing migrate`."""
    rows = await database.fetch(_READ, STREAM)
    return RecordedStream(*rows[0]) if rows else None


async def checkpoints(database: Database) -> dict[int, Checkpoint]:
    """How far each partition is applied."""
    return _by_partition(await database.fetch(_CHECKPOINTS))


async def running_reactors(database: Database) -> list[str]:
    """Reactors that gave a sign of life within `RUNNING_SECONDS`."""
    return [row[0] for row in await database.fetch(_RUNNING, RUNNING_SECONDS)]


async def adopt_stream(
    database: Database,
    created_at: datetime,
    known: Mapping[int, Checkpoint],
    begin: Mapping[int, Checkpoint],
) -> int:
    """Belong to this stream, and let every partition begin behind `begin`; the new incarnation.

    Raises `ReactorsRunning` if there is one, or if the checkpoints are not the `known` ones.
    """
    async with database.connection() as connection, connection.transaction():
        # No reactor can take or renew a lease until this is committed.
        await connection.execute("LOCK TABLE homing.reactors IN SHARE MODE")
        if running := await connection.fetch(_RUNNING, RUNNING_SECONDS):
            raise ReactorsRunning(", ".join(row[0] for row in running))
        if _by_partition(await connection.fetch(_CHECKPOINTS + " FOR UPDATE")) != known:
            raise ReactorsRunning("checkpoints have moved while they were compared")
        incarnation = await connection.fetchval(_ADOPT, STREAM, created_at)
        sequences, times = zip(*begin.values(), strict=True)
        await connection.execute(_BEGIN_AGAIN, list(begin), sequences, times)
        return int(incarnation)


def _by_partition(rows: Sequence[Any]) -> dict[int, Checkpoint]:
    return {row[0]: Checkpoint(row[1], row[2]) for row in rows}
