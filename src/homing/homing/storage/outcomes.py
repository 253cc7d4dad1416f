"""What the API reads of outcomes: by id, by owner, and the sweep.

The sweep finds what has been committed since the last one, whether it was announced or not. A row
carries the id of the transaction that wrote it. What commits after a look was either still running
then, and the snapshot names it, or had not begun, and has a higher id. So the next look asks for
just those, however long somebody else's transaction stays open.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from homing.outcome import Outcome, OwnerToken, Stored, decode_outcome
from homing.storage.checkpoint import Checkpoint
from homing.storage.database import Database

_BY_ID = """
SELECT owner, fingerprint, body FROM homing.outcomes WHERE command_id = ANY($1::uuid[])
"""
_APPLIED = "SELECT checkpoint, checkpoint_at FROM homing.partitions WHERE partition = $1"
_LOOK = """
SELECT pg_snapshot_xmin(now)::text, pg_snapshot_xmax(now)::text,
       ARRAY(SELECT running::text FROM pg_snapshot_xip(now) running)
FROM pg_current_snapshot() now
"""
_SINCE = """
SELECT pg_snapshot_xmin(now)::text, pg_snapshot_xmax(now)::text,
       ARRAY(SELECT running::text FROM pg_snapshot_xip(now) running),
       o.xid::text, o.command_id::text, o.owner
FROM pg_current_snapshot() now
LEFT JOIN LATERAL (
    SELECT * FROM (
        SELECT xid, command_id, owner FROM homing.outcomes
        WHERE xid = ANY($2::text[]::xid8[]) AND (xid, command_id) > ($3::text::xid8, $4::uuid)
        UNION ALL
        SELECT xid, command_id, owner FROM homing.outcomes
        WHERE xid >= $1::text::xid8 AND (xid, command_id) > ($3::text::xid8, $4::uuid)
    ) found
    ORDER BY xid, command_id LIMIT $5
) o ON true
"""
_BOUNDS = """
SELECT pg_snapshot_xmin(now)::text, pg_snapshot_xmax(now)::text,
       (SELECT timeline_id FROM pg_control_checkpoint())
FROM pg_current_snapshot() now
"""
# By the column and not by its text, which has the same name in the result: 999 is before 1000.
_OWN_SINCE = """
SELECT xid::text, command_id::text, fingerprint, body FROM homing.outcomes
WHERE owner = $1 AND xid >= $2::text::xid8 AND (xid, command_id) > ($2::text::xid8, $3::uuid)
ORDER BY outcomes.xid, outcomes.command_id LIMIT $4
"""
_OWN_BEFORE = """
SELECT xid::text, command_id::text, fingerprint, body FROM homing.outcomes
WHERE owner = $1 AND xid <= $2::text::xid8 AND (xid, command_id) < ($2::text::xid8, $3::uuid)
ORDER BY outcomes.xid DESC, outcomes.command_id DESC LIMIT $4
"""
NIL = "00000000-0000-0000-0000-000000000000"
PAGE = 5000


class Look(NamedTuple):
    """What a look at the outcomes has covered: all that was committed by then."""

    horizon: int
    """The oldest transaction that was running. (Of a primary; so are all of these.)"""
    end: int
    """The first transaction that had not begun."""
    running: tuple[int, ...]
    """Those in between that were."""


class Page(NamedTuple):
    """A page of what was committed; `look` counts only on the first page of a sweep."""

    look: Look
    found: list[tuple[str, OwnerToken]]
    """(command id, owner)."""
    last: tuple[int, str] | None
    """Where the next page begins; None if this is the last."""


class Bounds(NamedTuple):
    """Where the database is now."""

    oldest_running: int
    next_xid: int
    timeline: int
    """Counts promotions and restores to a point in time: transaction ids of two may collide."""


class Placed(NamedTuple):
    """An outcome, and where it stands among its owner's."""

    xid: int
    stored: Stored


class Outcomes:
    """Reads of `homing.outcomes`, and of how far they go."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, command_ids: Sequence[str]) -> list[Stored]:
        """The outcomes of these commands that there are."""
        rows = await self._database.fetch(_BY_ID, list(command_ids))
        return [Stored(owner=row[0], fingerprint=row[1], outcome=_decoded(row[2])) for row in rows]

    async def applied(self, partition: int) -> Checkpoint:
        """How far a partition is applied: every command up to there has, or had, its outcome."""
        return Checkpoint(*(await self._database.fetch(_APPLIED, partition))[0])

    async def look(self) -> Look:
        """A look at nothing, for the next one to begin where this one was."""
        return _look((await self._database.fetch(_LOOK))[0])

    async def since(self, look: Look, last: tuple[int, str] | None = None) -> Page:
        """What was committed since a look, behind `last`."""
        xid, command_id = last or (0, NIL)
        running = [str(one) for one in look.running]
        rows = await self._database.fetch(
            _SINCE, str(look.end), running, str(xid), command_id, PAGE
        )
        found = [(row[4], OwnerToken(row[5])) for row in rows if row[4] is not None]
        more = (int(rows[-1][3]), rows[-1][4]) if len(found) == PAGE else None
        return Page(_look(rows[0]), found, more)

    async def bounds(self) -> Bounds:
        """Where the database is now."""
        row = (await self._database.fetch(_BOUNDS))[0]
        return Bounds(int(row[0]), int(row[1]), row[2])

    async def own_since(
        self, owner: OwnerToken, xid: int, command_id: str, limit: int
    ) -> list[Placed]:
        """An owner's outcomes behind (xid, command id), oldest first."""
        rows = await self._database.fetch(_OWN_SINCE, owner, str(xid), command_id, limit)
        return [_placed(owner, row) for row in rows]

    async def own_before(
        self, owner: OwnerToken, xid: int, command_id: str, limit: int
    ) -> list[Placed]:
        """An owner's outcomes before (xid, command id), newest first."""
        rows = await self._database.fetch(_OWN_BEFORE, owner, str(xid), command_id, limit)
        return [_placed(owner, row) for row in rows]


def _placed(owner: OwnerToken, row: Any) -> Placed:
    return Placed(int(row[0]), Stored(owner=owner, fingerprint=row[2], outcome=_decoded(row[3])))


def _decoded(body: str) -> Outcome:
    return decode_outcome(body.encode())


def _look(row: Sequence[Any]) -> Look:
    return Look(int(row[0]), int(row[1]), tuple(int(one) for one in row[2]))
