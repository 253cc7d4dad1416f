"""What operators see of the database at one moment: one statement, one snapshot, all of it bounded.

Everything in it is read through an index or from a small table, so that it can be asked for once a
second. What commands and dead letters hold is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, TypeVar

import msgspec

from homing.storage.database import Database
from homing.storage.dead_letters import CONFLICT, TYPE
from homing.storage.outcomes import Look

OUTCOMES_MAX = 20
LETTERS_MAX = 50
COUNTED_MAX = 1000
REACTORS_MAX = 1000
Status = Literal["succeeded", "rejected", "failed"]


class ReactorSeen(msgspec.Struct, frozen=True):
    """A reactor's lease."""

    instance: str
    seen_seconds: float
    """How long ago it was renewed, by the database's clock."""


class PartitionSeen(msgspec.Struct, frozen=True):
    """A partition's row."""

    partition: int
    holder: str | None
    epoch: int
    checkpoint: int
    deaths: int
    suspect: int | None


class OutcomeSeen(msgspec.Struct, frozen=True):
    """A verdict, without what it says and whose it is."""

    command_id: str
    type: str
    key: str
    status: Status
    partition: int
    recorded_at: datetime
    took_ms: float | None
    """From its acceptance to its decision."""
    error: str | None
    """The error's type."""


class LetterSeen(msgspec.Struct, frozen=True):
    """A dead letter that nobody has discarded, without what it holds."""

    id: int
    command_id: str | None
    type: str
    key: str | None
    reason: str
    """Its type alone: the rest may quote the payload."""
    partition: int
    sequence: int
    recorded_at: datetime
    replays: int


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    look: Look
    reactors: tuple[ReactorSeen, ...]
    partitions: tuple[PartitionSeen, ...]
    outcomes: tuple[OutcomeSeen, ...]
    """The newest, newest first."""
    letters: tuple[LetterSeen, ...]
    """The newest, newest first."""
    letters_open: int
    """How many there are, counted up to one more than `COUNTED_MAX`."""
    ended: dict[Status, int] | None
    """Outcomes since the look before; None if there was none."""
    known: dict[str, Status]
    """The outcomes of the commands that were asked for."""


SIGHT = f"""
SELECT pg_snapshot_xmin(now)::text, pg_snapshot_xmax(now)::text,
    ARRAY(SELECT running::text FROM pg_snapshot_xip(now) running),
    (SELECT json_agg(r) FROM (
        SELECT instance, extract(epoch FROM clock_timestamp() - seen_at)::float8 AS seen_seconds
        FROM homing.reactors ORDER BY instance LIMIT {REACTORS_MAX}) r)::text,
    (SELECT json_agg(p) FROM (
        SELECT partition, holder, epoch, checkpoint, deaths, suspect
        FROM homing.partitions ORDER BY partition) p)::text,
    (SELECT json_agg(o) FROM (
        SELECT command_id, type, key, status, partition, recorded_at,
            extract(epoch FROM (said #>> '{{timeline,decided_at}}')::timestamptz
                - (said #>> '{{timeline,accepted_at}}')::timestamptz)::float8 * 1000 AS took_ms,
            said #>> '{{error,type}}' AS error
        FROM (
            SELECT command_id, type, key, status, partition, recorded_at, body::json AS said
            FROM homing.outcomes ORDER BY xid DESC LIMIT {OUTCOMES_MAX}) newest
        ORDER BY recorded_at DESC, command_id) o)::text,
    (SELECT json_agg(l) FROM (
        SELECT d.id, d.command_id, {TYPE} AS type, o.key, split_part(d.reason, ':', 1) AS reason,
            d.partition, d.sequence, d.recorded_at, d.replays
        FROM homing.dead_letters d
        LEFT JOIN homing.outcomes o
          ON o.command_id = d.command_id AND split_part(d.reason, ':', 1) <> '{CONFLICT}'
        WHERE d.discarded_at IS NULL ORDER BY d.id DESC LIMIT {LETTERS_MAX}) l)::text,
    (SELECT count(*) FROM (
        SELECT 1 FROM homing.dead_letters WHERE discarded_at IS NULL
        LIMIT {COUNTED_MAX + 1}) counted),
    (SELECT json_object_agg(status, count) FROM (
        SELECT status, count(*) FROM (
            SELECT status FROM homing.outcomes WHERE xid = ANY($2::text[]::xid8[])
            UNION ALL
            SELECT status FROM homing.outcomes WHERE xid >= $1::text::xid8) since
        GROUP BY status) ended)::text,
    (SELECT json_object_agg(command_id, status) FROM homing.outcomes
        WHERE command_id = ANY($3::uuid[]))::text
FROM pg_current_snapshot() now
"""
T = TypeVar("T")


class Sights:
    """Looks at the database as operators see it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def look(self, before: Look | None, asked: Sequence[str]) -> Sight:
        """Look once; `asked` are command ids. Raises `StorageUnavailable`."""
        end, running = (before.end, before.running) if before else (None, ())
        rows = await self._database.fetch(
            SIGHT, None if end is None else str(end), [str(one) for one in running], list(asked)
        )
        xmin, xmax, xip, reactors, partitions, outcomes, letters, count, ended, known = rows[0]
        return Sight(
            look=Look(int(xmin), int(xmax), tuple(int(one) for one in xip)),
            reactors=_read(reactors, tuple[ReactorSeen, ...], ()),
            partitions=_read(partitions, tuple[PartitionSeen, ...], ()),
            outcomes=_read(outcomes, tuple[OutcomeSeen, ...], ()),
            letters=_read(letters, tuple[LetterSeen, ...], ()),
            letters_open=count,
            ended=_read(ended, dict[Status, int], {}) if before else None,
            known=_read(known, dict[str, Status], {}),
        )


def _read(said: str | None, kind: type[T], empty: T) -> T:
    return empty if said is None else msgspec.json.decode(said, type=kind)
