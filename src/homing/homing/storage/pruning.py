"""Removing what is older than its retention, in small batches, by the holder of its partition.

An outcome keeps its command from taking effect again. So it may go only when its command cannot
come again: the stream has trimmed it, or the partition is applied beyond it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from homing.storage.database import Database

BATCH = 500
_OUTCOMES = """
DELETE FROM homing.outcomes WHERE command_id IN (
    SELECT command_id FROM homing.outcomes
    WHERE partition = $1 AND recorded_at < least(now() - $2::interval, $3::timestamptz)
    ORDER BY recorded_at LIMIT $4)
"""
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
        return _count(await self._database.execute(_OUTCOMES, partition, kept, before, BATCH))

    async def events(self, partition: int, kept: timedelta) -> int:
        """Remove a batch of events older than `kept`; how many."""
        return _count(await self._database.execute(_EVENTS, partition, kept, BATCH))


def _count(tag: str) -> int:
    """The number in a command tag: `DELETE 12`."""
    return int(tag.rpartition(" ")[2])
