"""Who holds which partition: leases, claims and releases (`homing.reactors`, `homing.partitions`).

Only the database's clock counts. The lease is the reactor's own row, never in the partitions' rows:
renewing those would wait behind a slow round's locks. An epoch counts the holders of a partition
and is the fence against one that does not know it was replaced.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from homing.errors import HomingError
from homing.storage.database import Database
from homing.storage.seam import HolderRecords

ANSWER_SECONDS = 0.1

_RENEW = """
INSERT INTO homing.reactors AS r (instance, seen_at) VALUES ($1, now())
ON CONFLICT (instance) DO UPDATE SET seen_at = now()
RETURNING (r.xmax = 0) AS joined
"""
_HELD = "SELECT partition, epoch FROM homing.partitions WHERE holder = $1"
_INCARNATION = "SELECT incarnation FROM homing.stream"
_LIVE = """
SELECT instance, extract(epoch FROM seen_at + make_interval(secs => $1) - now())::float8
FROM homing.reactors WHERE seen_at > now() - make_interval(secs => $1) ORDER BY instance
"""
# A holder whose lease ran out counts as dead; one that released, or is ourselves, does not.
_CLAIM = """
UPDATE homing.partitions p
SET holder = $1, epoch = p.epoch + 1, deaths = p.deaths + free.died,
    suspect_deaths = p.suspect_deaths + CASE WHEN p.suspect IS NULL THEN 0 ELSE free.died END
FROM (
    SELECT partition, holder AS previous, (holder IS NOT NULL AND holder <> $1)::int AS died
    FROM homing.partitions
    WHERE NOT partition = ANY($2::int[])
      AND $6 = (SELECT incarnation FROM homing.stream)
      AND (holder IS NULL OR holder = $1 OR ($4 AND NOT EXISTS (
          SELECT 1 FROM homing.reactors r
          WHERE r.instance = holder AND r.seen_at > now() - make_interval(secs => $5))))
    ORDER BY random() LIMIT $3
    FOR UPDATE SKIP LOCKED
) free
WHERE p.partition = free.partition
RETURNING p.partition, p.epoch, p.checkpoint, p.checkpoint_at, free.previous,
    p.deaths, p.suspect, p.suspect_deaths,
    (SELECT extract(epoch FROM now() - r.seen_at)::float8
     FROM homing.reactors r WHERE r.instance = free.previous) AS silent
"""
_SUSPECT = """
UPDATE homing.partitions
SET suspect_deaths = CASE WHEN suspect = $3 THEN suspect_deaths ELSE 0 END, suspect = $3
WHERE partition = $1 AND epoch = $2
"""
_RELEASE = """
WITH mine AS (
    SELECT p.partition FROM homing.partitions p
    JOIN unnest($2::int[], $3::bigint[]) u(partition, epoch)
      ON p.partition = u.partition AND p.epoch = u.epoch
    WHERE p.holder = $1 ORDER BY p.partition FOR UPDATE OF p SKIP LOCKED
)
UPDATE homing.partitions p SET holder = NULL FROM mine WHERE p.partition = mine.partition
"""
_UNHELD = """
SELECT count(*) FROM homing.partitions
WHERE holder IS NULL OR NOT EXISTS (
    SELECT 1 FROM homing.reactors r
    WHERE r.instance = holder AND r.seen_at > now() - make_interval(secs => $1))
"""
_LEAVE = "DELETE FROM homing.reactors WHERE instance = $1"
_SWEEP = "DELETE FROM homing.reactors WHERE seen_at < now() - interval '60 seconds'"
_RECENT = """
SELECT o.owner, o.command_id::text, o.fingerprint, o.body
FROM unnest($1::int[]) wanted(partition)
CROSS JOIN LATERAL (
    SELECT * FROM homing.outcomes
    WHERE partition = wanted.partition AND recorded_at > now() - interval '10 minutes'
    ORDER BY recorded_at DESC LIMIT $2
) o
"""


class Claimed(NamedTuple):
    """A partition as its new holder gets it."""

    partition: int
    epoch: int
    checkpoint: int
    checkpoint_at: datetime | None
    previous: str | None
    deaths: int
    """Holders that died since the partition's last commit."""
    suspect: int | None
    """The command that was about to be applied, if it was recorded."""
    suspect_deaths: int
    """Holders that died while it was the suspect."""
    silent_seconds: float | None
    """Since the last sign of life of the previous holder, if its lease is still recorded."""


class Standing(NamedTuple):
    """What the tables say of a reactor and the others, at one tick."""

    joined: bool
    held: dict[int, int]
    """Partition to epoch."""
    live: dict[str, float]
    """Reactors whose lease has not run out, and how many seconds of it are left."""
    same_stream: bool
    """Whether no other stream was adopted since this reactor began."""


class Recent(NamedTuple):
    """An outcome to be announced again."""

    owner: str
    command_id: str
    fingerprint: str
    body: str


async def unheld(database: Database, lease_seconds: float) -> int:
    """How many partitions are free, or have a holder whose lease ran out."""
    return int((await database.fetch(_UNHELD, lease_seconds))[0][0])


class Holding(HolderRecords):
    """The statements of one reactor instance."""

    def __init__(
        self, database: Database, instance: str, lease_seconds: float, incarnation: int
    ) -> None:
        self._database = database
        self._instance = instance
        self._lease_seconds = lease_seconds
        self._incarnation = incarnation

    async def renew(self) -> Standing:
        """Renew the lease and look around."""
        async with self._database.connection(timeout=1.5) as connection:
            joined = await connection.fetchval(_RENEW, self._instance)
            held = {row[0]: row[1] for row in await connection.fetch(_HELD, self._instance)}
            live = {row[0]: row[1] for row in await connection.fetch(_LIVE, self._lease_seconds)}
            incarnation = await connection.fetchval(_INCARNATION)
            return Standing(bool(joined), held, live, incarnation == self._incarnation)

    async def claim(
        self, in_hand: Sequence[int], limit: int, *, take_expired: bool
    ) -> list[Claimed]:
        """Claim up to `limit` partitions that are free, or whose holder's lease ran out.

        Never one of `in_hand`: two objects of one partition in a process would reset each other.
        """
        rows = await self._database.fetch(
            _CLAIM, self._instance, list(in_hand), limit, take_expired, self._lease_seconds,
            self._incarnation,
        )  # fmt: skip
        return [Claimed(*row) for row in rows]

    async def release(self, held: dict[int, int]) -> None:
        """Give partitions (by epoch) back. One that is locked stays, and is released later."""
        await self._database.execute(
            _RELEASE, self._instance, list(held.keys()), list(held.values())
        )

    async def suspect(self, partition: int, epoch: int, sequence: int) -> None:
        """Record which command is about to be applied; a new one starts with no deaths."""
        await self._database.execute(_SUSPECT, partition, epoch, sequence)

    async def answers(self) -> bool:
        """Whether Postgres answers another connection within `ANSWER_SECONDS`."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._database.execute("SELECT 1")
        except (TimeoutError, HomingError):
            return False
        return True

    async def leave(self) -> None:
        """Take the lease back."""
        await self._database.execute(_LEAVE, self._instance)

    async def forget_dead(self) -> None:
        """Remove leases that ran out long ago."""
        await self._database.execute(_SWEEP)

    async def recent_outcomes(self, partitions: Sequence[int], limit: int) -> list[Recent]:
        """The last outcomes of these partitions, at most `limit` of each, of the last minutes."""
        rows = await self._database.fetch(_RECENT, list(partitions), limit)
        return [Recent(*row) for row in rows]
