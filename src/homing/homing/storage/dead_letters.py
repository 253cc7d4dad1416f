"""What operators do with dead letters (`homing.dead_letters`): look, note a replay, discard.

Rounds write them. Here nothing is deleted, and a replay is noted before it is sent: when its
outcome is no longer kept, the note alone tells that it was sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from homing.outcome import Position
from homing.storage.database import Database

CONFLICT = "idempotency-conflict"
"""The reason of a letter whose command id belongs to another command."""
TYPE = r"regexp_replace(d.subject, '^homing\.commands\.[0-9]+\.', '')"
_HEAD = f"""
SELECT d.id, d.incarnation, d.partition, d.sequence, d.command_id::text, {TYPE} AS type, o.key,
       d.reason, d.recorded_at, d.replays, d.replayed_at, d.discarded_at
FROM homing.dead_letters d
LEFT JOIN homing.outcomes o
  ON o.command_id = d.command_id AND split_part(d.reason, ':', 1) <> '{CONFLICT}'
"""
_WANTED = f"""
WHERE ($1::text IS NULL OR split_part(d.reason, ':', 1) = $1)
  AND ($2::text IS NULL OR {TYPE} = $2)
  AND ($3::text IS NULL OR o.key = $3)
  AND ($4::bool OR d.discarded_at IS NULL)
"""
_NEWEST = f"{_HEAD}{_WANTED} AND ($5::bigint IS NULL OR d.id < $5) ORDER BY d.id DESC LIMIT $6"
_IN_ORDER = f"""{_HEAD}{_WANTED} AND (d.incarnation, d.sequence, d.id) > ($5, $6, $7)
ORDER BY d.incarnation, d.sequence, d.id LIMIT $8"""
_ONE = f"{_HEAD} WHERE d.id = $1"
_CONTENT = "SELECT subject, headers, body, traceback FROM homing.dead_letters WHERE id = $1"
_REPLAYS = """
SELECT replays, replayed_at, replay_sequence FROM homing.dead_letters
WHERE command_id = $1::uuid AND split_part(reason, ':', 1) <> $2
ORDER BY replays DESC, replay_sequence LIMIT 1
"""
_FAILED = """
SELECT DISTINCT command_id::text FROM homing.dead_letters
WHERE command_id = ANY($1::uuid[]) AND split_part(reason, ':', 1) <> $2
"""
_NOTE = """
UPDATE homing.dead_letters
SET replays = $2, replayed_at = clock_timestamp(), replay_incarnation = NULL,
    replay_sequence = NULL
WHERE command_id = $1::uuid AND replays < $2 AND split_part(reason, ':', 1) <> $3
"""
_PLACE = """
UPDATE homing.dead_letters
SET replay_incarnation = $3, replay_sequence = $4
WHERE command_id = $1::uuid AND replays = $2 AND split_part(reason, ':', 1) <> $5
"""
_DISCARD = """
UPDATE homing.dead_letters SET discarded_at = coalesce(discarded_at, clock_timestamp())
WHERE id = $1 RETURNING id
"""
# What is applied in one round is recorded in any order, so a little before counts, too.
_LATER = """
SELECT count(*) FROM (
    SELECT 1 FROM homing.outcomes
    WHERE partition = $1 AND recorded_at > $2::timestamptz - interval '1 minute'
      AND key = $3 AND split_part(type, '.', 1) = $4 AND status = 'succeeded'
      AND (incarnation, sequence) > ($5, $6) AND NOT command_id = ANY($7::uuid[])
    LIMIT $8
) later
"""


class Letter(NamedTuple):
    """A dead letter, without what it holds."""

    id: int
    incarnation: int
    partition: int
    sequence: int
    command_id: str | None
    """None if it has no readable envelope."""
    type: str
    key: str | None
    """Known for as long as its outcome is kept."""
    reason: str
    recorded_at: datetime
    replays: int
    replayed_at: datetime | None
    discarded_at: datetime | None


class Content(NamedTuple):
    """What a dead letter holds."""

    subject: str
    headers: str
    body: bytes
    traceback: str


class Noted(NamedTuple):
    """What is known of a failed command's last replay."""

    number: int
    """0 if there is none."""
    sent_at: datetime | None
    """When it was first sent."""
    sequence: int | None
    """Where the stream has it; None as long as that is not known."""


class Wanted(NamedTuple):
    """Which letters; None is all of them."""

    reason: str | None = None
    """The reason's type, as `domain-error`."""
    type: str | None = None
    key: str | None = None
    discarded: bool = False
    """Also those."""


class DeadLetters:
    """The statements of an operator, who owns the tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def newest(self, wanted: Wanted, before: int | None, limit: int) -> list[Letter]:
        """A page of them, newest first, below the id `before`."""
        return await self._letters(_NEWEST, *wanted, before, limit)

    async def in_order(
        self, wanted: Wanted, after: tuple[int, int, int], limit: int
    ) -> list[Letter]:
        """A page of them in the order of the stream, behind (incarnation, sequence, id)."""
        return await self._letters(_IN_ORDER, *wanted, *after, limit)

    async def read(self, letter_id: int) -> tuple[Letter, Content] | None:
        """One, with what it holds; None if there is none."""
        found = await self._letters(_ONE, letter_id)
        rows = await self._database.fetch(_CONTENT, letter_id)
        return (found[0], Content(*rows[0])) if found and rows else None

    async def replays(self, command_id: str) -> Noted | None:
        """The last replay of a failed command; None if no letter has this command."""
        rows = await self._database.fetch(_REPLAYS, command_id, CONFLICT)
        return Noted(*rows[0]) if rows else None

    async def failed(self, command_ids: Sequence[str]) -> set[str]:
        """Those of the commands that have a letter, and so have failed."""
        if not command_ids:
            return set()
        rows = await self._database.fetch(_FAILED, list(command_ids), CONFLICT)
        return {row[0] for row in rows}

    async def note_replay(self, command_id: str, number: int) -> None:
        """Note that this replay is about to be sent; the first note of a number counts."""
        await self._database.execute(_NOTE, command_id, number, CONFLICT)

    async def place_replay(self, command_id: str, number: int, position: Position) -> None:
        """Note where the stream has this replay."""
        place = (position.incarnation, position.sequence)
        await self._database.execute(_PLACE, command_id, number, *place, CONFLICT)

    async def discard(self, letter_id: int) -> bool:
        """Mark it; whether there is such a letter."""
        return bool(await self._database.fetch(_DISCARD, letter_id))

    async def later(
        self, letter: Letter, place: tuple[int, str], but: Sequence[str], limit: int
    ) -> int:
        """How many commands took effect on its key after it, counted up to `limit`.

        `place` is the key's partition and the key; the commands in `but` do not count.
        """
        partition, key = place
        domain = letter.type.split(".")[0]
        position = (letter.incarnation, letter.sequence)
        rows = await self._database.fetch(
            _LATER, partition, letter.recorded_at, key, domain, *position, list(but), limit
        )
        return int(rows[0][0])

    async def _letters(self, sql: str, *arguments: Any) -> list[Letter]:
        return [Letter(*row) for row in await self._database.fetch(sql, *arguments)]
