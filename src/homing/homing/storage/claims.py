"""The statements on `homing.claims`, in the order of their locks.

Insertions wait for whoever inserted or gave up the same value and has not committed. They are
sorted, all of a round are in one statement, and nothing else of a round waits after what it gives
up: so rounds wait for each other in one direction only (unsorted: 61 deadlocks in 892 commits).

A row is changed and deleted only by a round that has its key's partition behind the fence, so that
settling waits for nobody.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from homing.claims import Claim
from homing.storage.database import Connection

_HELD = """
SELECT c.domain, c.name, c.value, c.key
FROM homing.claims c
JOIN unnest($1::text[], $2::text[]) u(domain, key) ON c.domain = u.domain AND c.key = u.key
"""
_INSERT = """
INSERT INTO homing.claims (domain, name, value, key)
SELECT u.domain, u.name, u.value, u.key
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) u(domain, name, value, key)
ORDER BY u.domain COLLATE "C", u.name COLLATE "C", u.value COLLATE "C"
ON CONFLICT DO NOTHING
RETURNING domain, name, value
"""
_SETTLE = """
WITH mine AS MATERIALIZED (
    SELECT c.domain, c.name, c.value, u.key
    FROM homing.claims c
    JOIN unnest($1::text[], $2::text[], $3::text[], $4::text[]) u(domain, name, value, key)
      ON c.domain = u.domain AND c.name = u.name AND c.value = u.value
    ORDER BY c.domain, c.name, c.value
    FOR UPDATE OF c
), handed_on AS (
    UPDATE homing.claims c SET key = mine.key FROM mine
    WHERE mine.key IS NOT NULL
      AND c.domain = mine.domain AND c.name = mine.name AND c.value = mine.value
)
DELETE FROM homing.claims c USING mine
WHERE mine.key IS NULL
  AND c.domain = mine.domain AND c.name = mine.name AND c.value = mine.value
"""


async def load_claims(
    connection: Connection, keys: Collection[tuple[str, str]]
) -> dict[Claim, str]:
    """What these (domain, key) hold: claim to key."""
    if not keys:
        return {}
    rows = await connection.fetch(_HELD, *_columns(keys))
    return {Claim(row[0], row[1], row[2]): row[3] for row in rows}


async def insert_claims(connection: Connection, asked: Mapping[Claim, str]) -> set[Claim]:
    """Claim for these keys; those that were free. The rest is held by a key of a commit before."""
    if not asked:
        return set()
    rows = await connection.fetch(_INSERT, *_columns((*claim, key) for claim, key in asked.items()))
    return {Claim(*row) for row in rows}


async def settle_claims(connection: Connection, changes: Mapping[Claim, str | None]) -> None:
    """Hand claims that this round has to another key, or give them up (None)."""
    if changes:
        rows = [(*claim, key) for claim, key in changes.items()]
        await connection.execute(_SETTLE, *_columns(rows))


def _columns(rows: Iterable[Sequence[str | None]]) -> list[list[str | None]]:
    return [list(column) for column in zip(*rows, strict=True)]
