"""Removing what is older than its retention, in small batches, by the holder of its partition.

An outcome keeps its command from taking effect again. So it may go only when its command cannot
come again: the stream has trimmed it, or the partition is applied beyond it. How far they went is
noted with them: an adoption begins behind that.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from homing.storage.database import Database

BATCH = 500
SKEW = timedelta(hours=1)
"""How far clocks may differ where rows are compared with messages: an outcome must not be pruned
before its message is trimmed or skipped."""
_OUTCOMES = """
WITH gone AS (
    DELETE FROM homing.outcomes WHERE command_id IN (
        SELECT command_id FROM homing.outcomes
        WHERE partition = $1 AND recorded_at < least(now() - $2::interval, $3::timestamptz)
        ORDER BY recorded_at LIMIT $4)
    RETURNING greatest(repeated_at, CASE WHEN position('\\u0000' IN body) > 0  -- no jsonb has that
        THEN recorded_at ELSE (body::jsonb #>> '{timeline,published_at}')::timestamptz
    END) AS published_at
), noted AS (
    INSERT INTO homing.pruned AS p
    SELECT $1::integer, max(published_at) FROM gone HAVING max(published_at) IS NOT NULL
    ON CONFLICT (partition) DO UPDATE
    SET published_at = greatest(p.published_at, excluded.published_at)
)
SELECT count(*) FROM gone
"""
_APPLIED_WITHIN = """
SELECT recorded_at >= now() - $4::interval FROM homing.outcomes
WHERE command_id = $1::uuid AND partition = $2 AND sequence = $3
"""
_PRUNED = "SELECT partition, published_at FROM homing.pruned"
_EVENTS = """
DELETE FROM homing.events WHERE (command_id, ordinal) IN (
    SELECT command_id, ordinal FROM homing.events
    WHERE partition = $1 AND recorded_at < now() - $2::interval
    ORDER BY recorded_at LIMIT $3)
"""


class Pruning:
    """The statements. Dead letters are never pruned: somebody has to look at them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def outcomes(self, partition: int, kept: timedelta, before: datetime | None) -> int:
        """Remove a batch of outcomes older than `kept`, and recorded `before`; how many.

        `before` is where what is still to be applied begins; None if everything is.
        """
        rows = await self._database.fetch(_OUTCOMES, partition, kept, before, BATCH)
        return int(rows[0][0])

    async def applied_within(
        self, command_id: str | None, partition: int, sequence: int, kept: timedelta
    ) -> bool | None:
        """Whether this message was applied so lately; None if it has no outcome of its own."""
        rows = await self._database.fetch(_APPLIED_WITHIN, command_id, partition, sequence, kept)
        return bool(rows[0][0]) if rows else None

    async def events(self, partition: int, kept: timedelta) -> int:
        """Remove a batch of events older than `kept`; how many."""
        return _count(await self._database.execute(_EVENTS, partition, kept, BATCH))


async def pruned(database: Database) -> dict[int, datetime]:
    """Up to which time of the stream outcomes were removed, by partition."""
    return {row[0]: row[1] for row in await database.fetch(_PRUNED)}


def _count(tag: str) -> int:
    """The number in a command tag: `DELETE 12`."""
    return int(tag.rpartition(" ")[2])
