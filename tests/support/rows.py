"""Outcomes put into the database as a reactor would, but with nobody announcing them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from homing.identity import new_command_id, owner_token
from homing.outcome import (
    CommandId,
    Outcome,
    OwnerToken,
    Position,
    Stored,
    Timeline,
    encode_announcement,
    now,
)
from homing.storage import Database, OutcomeRow, Rounds
from support.place import Place

PRINT = "A" * 22


def made(owner: OwnerToken, command_id: CommandId | None = None, data: Any = None) -> Stored:
    """An outcome that succeeded."""
    command_id = command_id or new_command_id()
    outcome = Outcome(
        command_id=command_id, type="locations.register", key=command_id, status="succeeded",
        data=msgspec.Raw(msgspec.json.encode(data)), position=Position(1, 0, 1),
        timeline=Timeline(accepted_at=now()), trace_id="",
    )  # fmt: skip
    return Stored(owner=owner, fingerprint=PRINT, outcome=outcome)


def announcement(stored: Stored) -> bytes:
    """How a reactor announces it."""
    return encode_announcement(stored.fingerprint, msgspec.json.encode(stored.outcome))


def somebody(name: str) -> OwnerToken:
    """An owner."""
    return owner_token("test", name)


class Writer:
    """Commits outcomes, in transactions that a test opens and closes."""

    def __init__(self, database: Database) -> None:
        self._rounds = Rounds(database)

    @asynccontextmanager
    async def writing(self, *stored: Stored) -> AsyncIterator[None]:
        """Written when the block begins, committed when it ends."""
        async with self._rounds.transaction() as transaction:
            await transaction.add_outcomes([row_of(one) for one in stored])
            yield

    async def write(self, *stored: Stored) -> None:
        """Written and committed."""
        async with self.writing(*stored):
            pass


@asynccontextmanager
async def writer(place: Place) -> AsyncIterator[Writer]:
    """A writer with connections of its own."""
    database = await Database.open(place.postgres_url("homing_reactor"), 8)
    try:
        yield Writer(database)
    finally:
        await database.close()


def row_of(stored: Stored) -> OutcomeRow:
    """The row of an outcome."""
    outcome = stored.outcome
    return OutcomeRow(
        command_id=outcome.command_id, owner=stored.owner, type=outcome.type, key=outcome.key,
        status=outcome.status, body=msgspec.json.encode(outcome).decode(),
        fingerprint=stored.fingerprint, incarnation=1, partition=outcome.position.partition,
        sequence=1,
    )  # fmt: skip
