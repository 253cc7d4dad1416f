"""Both stores, with what a test has to see and to do in each from outside."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from homing.claims import Claim
from homing.storage import Database, OutcomeReading, Outcomes, Rounds, RoundStore
from homing.testing.memory_store import MemoryStore
from support.place import Place

PARTITIONS = 8


class Stores(Protocol):
    """A store, from the sides of all who use it."""

    rounds: RoundStore
    outcomes: OutcomeReading

    async def hold(self, partition: int) -> int:
        """Claim a partition anew; its epoch."""

    async def checkpoint(self, partition: int) -> tuple[int, datetime | None]:
        """How far it is applied."""

    async def claims(self) -> dict[Claim, str]:
        """What is claimed, by whom."""

    async def recorded(self, kind: str) -> list[tuple[Any, ...]]:
        """The rows of `events` or `dead_letters`, in their order."""


@dataclass
class Real:
    """Postgres."""

    place: Place
    rounds: RoundStore
    outcomes: OutcomeReading

    async def hold(self, partition: int) -> int:
        """Claim a partition anew."""
        rows = await self.place.rows(
            "UPDATE homing.partitions SET epoch = epoch + 1 WHERE partition = $1 RETURNING epoch",
            partition,
        )
        return int(rows[0][0])

    async def checkpoint(self, partition: int) -> tuple[int, datetime | None]:
        """How far it is applied."""
        rows = await self.place.rows(
            "SELECT checkpoint, checkpoint_at FROM homing.partitions WHERE partition = $1",
            partition,
        )
        return rows[0][0], rows[0][1]

    async def claims(self) -> dict[Claim, str]:
        """What is claimed, by whom."""
        rows = await self.place.rows("SELECT domain, name, value, key FROM homing.claims")
        return {Claim(*row[:3]): row[3] for row in rows}

    async def recorded(self, kind: str) -> list[tuple[Any, ...]]:
        """As they were added."""
        columns = {
            "events": "command_id::text, ordinal, domain, type, key, body, incarnation, partition,"
            " sequence FROM homing.events ORDER BY partition, sequence, ordinal",
            "dead_letters": "incarnation, partition, sequence, command_id::text, subject, headers,"
            " body, reason, traceback FROM homing.dead_letters ORDER BY id",
        }
        return [tuple(row) for row in await self.place.rows(f"SELECT {columns[kind]}")]


@dataclass
class Memory:
    """The double."""

    store: MemoryStore

    def __post_init__(self) -> None:
        self.rounds: RoundStore = self.store
        self.outcomes: OutcomeReading = self.store

    async def hold(self, partition: int) -> int:
        """Claim a partition anew."""
        return self.store.hold(partition)

    async def checkpoint(self, partition: int) -> tuple[int, datetime | None]:
        """How far it is applied."""
        row = self.store.partitions[partition]
        return row.checkpoint, row.checkpoint_at

    async def claims(self) -> dict[Claim, str]:
        """What is claimed, by whom."""
        return dict(self.store.claims)

    async def recorded(self, kind: str) -> list[tuple[Any, ...]]:
        """As they were added."""
        return [tuple(row) for row in getattr(self.store, kind)]


@asynccontextmanager
async def real_store(place: Place) -> AsyncIterator[Stores]:
    """Postgres, each side in its own role."""
    rounds = await Database.open(place.postgres_url("homing_reactor"), 6)
    reads = await Database.open(place.postgres_url("homing_api"), 2)
    try:
        yield Real(place, Rounds(rounds), Outcomes(reads))
    finally:
        await rounds.close()
        await reads.close()


@asynccontextmanager
async def memory_store() -> AsyncIterator[Stores]:
    """The double."""
    yield Memory(MemoryStore(PARTITIONS))
