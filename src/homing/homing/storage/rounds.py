"""The one transaction in which commands take effect.

The fence comes first, in bulk, without waiting for row locks: a partition whose row another
transaction holds, or whose epoch or checkpoint is not the expected one, is simply not returned. A
plain `UPDATE … FROM unnest` has no lock order and deadlocks at hand-over (11-113 times in some
3,500 transactions; this form never in 12,220).

After a failure it matters whether the transaction is rolled back for certain: `RoundFailed` tells.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, NamedTuple

from msgspec import Raw

from homing import telemetry
from homing.claims import Claim
from homing.domain import Domain
from homing.errors import HomingError, StorageUnavailable
from homing.storage.claims import insert_claims, load_claims, settle_claims
from homing.storage.database import Connection, Database, StatementFailed, translate
from homing.storage.states import load_states, save_states
from homing.tracing import step

_FENCE = """
WITH held AS MATERIALIZED (
    SELECT p.partition, u.last, u.at
    FROM homing.partitions p
    JOIN unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[], $5::timestamptz[])
        u(partition, epoch, previous, last, at)
      ON p.partition = u.partition AND p.epoch = u.epoch AND p.checkpoint = u.previous
    ORDER BY p.partition
    FOR UPDATE OF p SKIP LOCKED
)
UPDATE homing.partitions p
SET checkpoint = held.last, checkpoint_at = held.at,
    deaths = 0, suspect = NULL, suspect_deaths = 0
FROM held WHERE p.partition = held.partition
RETURNING p.partition
"""
_KNOWN = """
SELECT command_id::text, fingerprint FROM homing.outcomes WHERE command_id = ANY($1::uuid[])
"""
_SUCCEEDED = """
SELECT command_id::text FROM homing.outcomes
WHERE command_id = ANY($1::uuid[]) AND status = 'succeeded'
"""
# No ON CONFLICT: a known id here means that the check before it is broken, and must be loud.
_OUTCOMES = """
INSERT INTO homing.outcomes
    (command_id, owner, type, key, status, body, fingerprint, incarnation, partition, sequence)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
    $7::text[], $8::int[], $9::int[], $10::bigint[]) o(id) ORDER BY id
"""
# Messages that are read again, as after an adoption, are no copies: stored before the outcome was.
_COPIES = """
UPDATE homing.outcomes o SET repeated_at = greatest(o.repeated_at, last.at)
FROM (
    SELECT copy.id, max(copy.at) AS at
    FROM unnest($1::uuid[], $2::bigint[], $3::timestamptz[]) copy(id, sequence, at)
    JOIN homing.outcomes known ON known.command_id = copy.id
    WHERE known.sequence <> copy.sequence OR known.recorded_at < copy.at
    GROUP BY copy.id
) last
WHERE o.command_id = last.id
"""
_EVENTS = """
INSERT INTO homing.events
    (command_id, ordinal, domain, type, key, body, incarnation, partition, sequence)
SELECT * FROM unnest($1::uuid[], $2::int[], $3::text[], $4::text[], $5::text[], $6::text[],
    $7::int[], $8::int[], $9::bigint[])
"""
_DEAD_LETTERS = """
INSERT INTO homing.dead_letters
    (incarnation, partition, sequence, command_id, subject, headers, body, reason, traceback)
SELECT * FROM unnest($1::int[], $2::int[], $3::bigint[], $4::uuid[], $5::text[], $6::text[],
    $7::bytea[], $8::text[], $9::text[])
"""


class FenceRow(NamedTuple):
    """What a partition must still be, and what it becomes."""

    partition: int
    epoch: int
    previous: int
    last: int
    at: datetime


class OutcomeRow(NamedTuple):
    """One row of `homing.outcomes`."""

    command_id: str
    owner: str
    type: str
    key: str
    status: str
    body: str
    fingerprint: str
    incarnation: int
    partition: int
    sequence: int


class CopyRow(NamedTuple):
    """A message of a command that has its outcome."""

    command_id: str
    sequence: int
    published_at: datetime


class EventRow(NamedTuple):
    """One row of `homing.events`."""

    command_id: str
    ordinal: int
    domain: str
    type: str
    key: str
    body: str
    incarnation: int
    partition: int
    sequence: int


class DeadLetterRow(NamedTuple):
    """One row of `homing.dead_letters`."""

    incarnation: int
    partition: int
    sequence: int
    command_id: str | None
    subject: str
    headers: str
    body: bytes
    reason: str
    traceback: str


class RoundFailed(HomingError):
    """A round was not committed."""

    def __init__(self, cause: BaseException, *, certain: bool, open_seconds: float) -> None:
        super().__init__(str(cause))
        self.certain = certain
        """Rolled back for certain."""
        self.open_seconds = open_seconds
        self.sqlstate = cause.sqlstate if isinstance(cause, StatementFailed) else ""
        """Empty if it was the connection, not a statement."""
        self._brief = cause.brief if isinstance(cause, HomingError) else type(cause).__name__

    @property
    def brief(self) -> str:
        """As its cause."""
        return self._brief


class RoundTransaction:
    """The statements of a round, in the order in which locks must be taken."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def fence(self, rows: Sequence[FenceRow]) -> set[int]:
        """Move the checkpoints; the partitions that are really ours."""
        return {row[0] for row in await self._connection.fetch(_FENCE, *_columns(rows))}

    async def known(self, command_ids: Sequence[str]) -> dict[str, str]:
        """Those of the ids that have an outcome, with their fingerprints."""
        if not command_ids:
            return {}
        rows = await self._connection.fetch(_KNOWN, command_ids)
        return {row[0]: row[1] for row in rows}

    async def succeeded(self, command_ids: Sequence[str]) -> set[str]:
        """Those of the ids that have succeeded."""
        return {row[0] for row in await self._connection.fetch(_SUCCEEDED, command_ids)}

    async def load_states(self, domain: Domain, keys: Sequence[str]) -> dict[str, Any]:
        """The states of these keys; a key that has none is left out."""
        return await load_states(self._connection, domain, keys)

    async def load_claims(self, keys: Collection[tuple[str, str]]) -> dict[Claim, str]:
        """What these (domain, key) hold: claim to key."""
        return await load_claims(self._connection, keys)

    async def claim(self, asked: Mapping[Claim, str]) -> set[Claim]:
        """Claim for these keys, once per round; those claims that were free."""
        return await insert_claims(self._connection, asked)

    async def settle_claims(self, changes: Mapping[Claim, str | None]) -> None:
        """Hand claims on or give them up (None): last, as others may wait for them from now on."""
        await settle_claims(self._connection, changes)

    async def save_states(self, domain: Domain, states: Mapping[str, Raw | None]) -> None:
        """Save these states, each in JSON; None removes the row."""
        await save_states(self._connection, domain, states)

    async def add_outcomes(self, rows: Sequence[OutcomeRow]) -> None:
        """Record the verdicts, sorted by id."""
        await self._insert(_OUTCOMES, rows)

    async def note_copies(self, rows: Sequence[CopyRow]) -> None:
        """Note until when commands that have an outcome came again, beside their first message."""
        await self._insert(_COPIES, rows)

    async def add_events(self, rows: Sequence[EventRow]) -> None:
        """Record what happened."""
        await self._insert(_EVENTS, rows)

    async def add_dead_letters(self, rows: Sequence[DeadLetterRow]) -> None:
        """Record what could not be processed."""
        await self._insert(_DEAD_LETTERS, rows)

    async def _insert(self, sql: str, rows: Sequence[Any]) -> None:
        if rows:
            await self._connection.execute(sql, *_columns(rows))


class Rounds:
    """Opens the transactions of rounds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[RoundTransaction]:
        """READ COMMITTED: a stricter level would turn one lost partition into a failure of all.

        Commits when the block ends. Raises `RoundFailed` for what Postgres or the way to it did;
        what else the block raises is passed on after the rollback.
        """
        started = time.monotonic()
        state = "begin"
        try:
            async with self._database.connection() as connection:
                transaction = connection.transaction(isolation="read_committed")
                await transaction.start()
                started, state = time.monotonic(), "open"
                try:
                    yield RoundTransaction(connection)
                    state, committing = "commit", time.monotonic()
                    with step("commit", "COMMIT"):
                        await transaction.commit()
                    spent = time.monotonic() - committing
                    telemetry.observe(telemetry.STEP_SECONDS, spent, "commit")
                except BaseException:
                    if state == "open":
                        async with asyncio.timeout(2):
                            await transaction.rollback()
                    raise
        except Exception as error:
            mine = error if isinstance(error, HomingError) else translate(error)
            if not isinstance(mine, (StatementFailed, StorageUnavailable)):
                raise
            # A COMMIT that was sent and not answered may have happened; without it nothing has.
            certain = state != "commit" or isinstance(mine, StatementFailed)
            spent = time.monotonic() - started
            raise RoundFailed(mine, certain=certain, open_seconds=spent) from error


def _columns(rows: Sequence[Any]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
