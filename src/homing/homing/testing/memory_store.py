"""A store in memory, for tests of the processes: what the contract suite proves, and no more.

It has the transactions of rounds, with the locks that rounds meet each other at, and the outcomes
as the API reads them. What it has not: SQL. A domain's migrations and queries cannot run here, nor
do its table's types and constraints; a state is kept as the JSON that the framework saves. Leases
have no double either (`hold` stands for the claim of a partition), and nothing fails by itself. A
transaction does not read what it has written itself, as rounds never do. This module needs the
servers' extra, as its values are the real ones'.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Raw

from homing.claims import Claim
from homing.domain import Domain
from homing.outcome import OwnerToken, Stored, decode_outcome
from homing.storage import (
    NIL,
    Bounds,
    Checkpoint,
    CopyRow,
    DeadLetterRow,
    EventRow,
    FenceRow,
    HolderRecords,
    Look,
    OutcomeReading,
    OutcomeRow,
    Page,
    Placed,
    RoundFailed,
    RoundStatements,
    RoundStore,
    StatementFailed,
    outcomes,
)

UNIQUE_VIOLATION = "23505"


@dataclass
class PartitionRow:
    """What the store knows of a partition."""

    epoch: int = 0
    checkpoint: int = 0
    checkpoint_at: datetime | None = None
    suspect: int | None = None


class MemoryStore(RoundStore, OutcomeReading, HolderRecords):
    """Everything that has been committed; what has not is in its `MemoryRound`."""

    def __init__(self, partitions: int) -> None:
        self.partitions = {number: PartitionRow() for number in range(partitions)}
        self.states: dict[str, dict[str, bytes]] = {}
        """By domain, by key, in JSON."""
        self.claims: dict[Claim, str] = {}
        self.outcomes: dict[str, tuple[int, OutcomeRow]] = {}
        """By command id: transaction id and row."""
        self.events: list[EventRow] = []
        self.dead_letters: list[DeadLetterRow] = []
        self.locked: dict[int | Claim, MemoryRound] = {}
        """Partitions and claims, by the transaction that has touched them."""
        self._running: set[int] = set()
        self._last_xid = self._completed = 99

    def hold(self, partition: int) -> int:
        """Claim a partition for whoever asks; its new epoch."""
        self.partitions[partition].epoch += 1
        return self.partitions[partition].epoch

    async def suspect(self, partition: int, epoch: int, sequence: int) -> None:
        """Record which command is about to be applied, in case it ends the process."""
        row = self.partitions[partition]
        if row.epoch == epoch:
            row.suspect = sequence

    async def answers(self) -> bool:
        """Always."""
        return True

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[RoundStatements]:
        """Commits when the block ends, rolls back when it raises. Raises `RoundFailed`."""
        written = MemoryRound(self)
        try:
            yield written
            written.commit()
        except StatementFailed as error:
            raise RoundFailed(error, certain=True, open_seconds=0.0) from error
        finally:
            written.end()

    def begin_writing(self) -> int:
        """The id of a transaction that writes for the first time."""
        self._last_xid += 1
        self._running.add(self._last_xid)
        return self._last_xid

    def end_writing(self, xid: int) -> None:
        """It was committed or rolled back."""
        self._running.discard(xid)
        self._completed = max(self._completed, xid)

    async def read(self, command_ids: Sequence[str]) -> list[Stored]:
        """The outcomes of these commands that there are."""
        return [_stored(self.outcomes[one][1]) for one in command_ids if one in self.outcomes]

    async def applied(self, partition: int) -> Checkpoint:
        """How far a partition is applied."""
        row = self.partitions[partition]
        return Checkpoint(row.checkpoint, row.checkpoint_at)

    async def look(self) -> Look:
        """A look at nothing, for the next one to begin where this one was."""
        return Look(self._horizon(), self._last_xid + 1, tuple(self._running))

    async def since(self, look: Look, last: tuple[int, str] | None = None) -> Page:
        """What was committed since a look, behind `last`."""
        behind = last or (0, NIL)
        rows = self._sorted(
            lambda place, _: (place[0] >= look.end or place[0] in look.running) and place > behind
        )
        page = rows[: outcomes.PAGE]
        more = (page[-1][0], page[-1][1].command_id) if len(page) == outcomes.PAGE else None
        found = [(row.command_id, OwnerToken(row.owner)) for _, row in page]
        return Page(await self.look(), found, more)

    async def bounds(self) -> Bounds:
        """Where the store is now."""
        return Bounds(self._horizon(), self._completed + 1, 1)

    async def own_since(
        self, owner: OwnerToken, xid: int, command_id: str, limit: int
    ) -> list[Placed]:
        """An owner's outcomes behind (xid, command id), oldest first."""
        mine = self._sorted(lambda place, row: row.owner == owner and place > (xid, command_id))
        return [Placed(number, _stored(row)) for number, row in mine[:limit]]

    async def own_before(
        self, owner: OwnerToken, xid: int, command_id: str, limit: int
    ) -> list[Placed]:
        """An owner's outcomes before (xid, command id), newest first."""
        mine = self._sorted(lambda place, row: row.owner == owner and place < (xid, command_id))
        return [Placed(number, _stored(row)) for number, row in mine[::-1][:limit]]

    def _horizon(self) -> int:
        return min(self._running, default=self._completed + 1)

    def _sorted(
        self, wanted: Callable[[tuple[int, str], OutcomeRow], bool]
    ) -> list[tuple[int, OutcomeRow]]:
        rows = [
            (xid, row) for xid, row in self.outcomes.values() if wanted((xid, row.command_id), row)
        ]
        return sorted(rows, key=lambda placed: (placed[0], placed[1].command_id))


class MemoryRound(RoundStatements):
    """One transaction: what it will change, and what it has locked."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._xid: int | None = None
        self._changes: list[Callable[[], object]] = []
        self.ended = asyncio.Event()

    async def fence(self, rows: Sequence[FenceRow]) -> set[int]:
        """Move the checkpoints; the partitions that are really ours. Waits for nobody."""
        ours = set()
        for fence in rows:
            row = self._store.partitions[fence.partition]
            locked = self._store.locked.get(fence.partition) not in (None, self)
            if not locked and (row.epoch, row.checkpoint) == (fence.epoch, fence.previous):
                self._lock(fence.partition)
                self._later(_move, row, fence)
                ours.add(fence.partition)
        return ours

    async def known(self, command_ids: Sequence[str]) -> dict[str, str]:
        """Those of the ids that have an outcome, with their fingerprints."""
        found = self._store.outcomes
        return {one: found[one][1].fingerprint for one in command_ids if one in found}

    async def succeeded(self, command_ids: Sequence[str]) -> set[str]:
        """Those of the ids that have succeeded."""
        found = self._store.outcomes
        return {one for one in command_ids if one in found and found[one][1].status == "succeeded"}

    async def load_states(self, domain: Domain, keys: Sequence[str]) -> dict[str, Any]:
        """The states of these keys; a key that has none is left out."""
        rows = self._store.states.get(domain.name, {})
        return {
            key: msgspec.json.decode(rows[key], type=domain.state) for key in keys if key in rows
        }

    async def load_claims(self, keys: Collection[tuple[str, str]]) -> dict[Claim, str]:
        """What these (domain, key) hold: claim to key."""
        return {
            claim: key for claim, key in self._store.claims.items() if (claim.domain, key) in keys
        }

    async def claim(self, asked: Mapping[Claim, str]) -> set[Claim]:
        """Claim for these keys, in order; waits for who has not committed."""
        won = set()
        for claim, key in sorted(asked.items()):
            await self._alone_with(claim)
            if claim not in self._store.claims:
                self._lock(claim)
                self._later(self._store.claims.__setitem__, claim, key)
                won.add(claim)
        return won

    async def settle_claims(self, changes: Mapping[Claim, str | None]) -> None:
        """Hand claims on or give them up (None)."""
        for claim, key in changes.items():
            self._lock(claim)
            if key is None:
                self._later(self._store.claims.pop, claim)
            else:
                self._later(self._store.claims.__setitem__, claim, key)

    async def save_states(self, domain: Domain, states: Mapping[str, Raw | None]) -> None:
        """Save these states, each in JSON; None removes one."""
        rows = self._store.states.setdefault(domain.name, {})
        for key, state in states.items():
            if state is None:
                self._later(rows.pop, key, None)
            else:
                self._later(rows.__setitem__, key, bytes(state))

    async def add_outcomes(self, rows: Sequence[OutcomeRow]) -> None:
        """Record the verdicts; one that is there already breaks the round."""
        for row in rows:
            if row.command_id in self._store.outcomes:
                raise StatementFailed(UNIQUE_VIOLATION, f"{row.command_id} has an outcome")
            self._later(self._store.outcomes.__setitem__, row.command_id, (self._write(), row))

    async def note_copies(self, rows: Sequence[CopyRow]) -> None:
        """Of no use here: nothing is pruned."""

    async def add_events(self, rows: Sequence[EventRow]) -> None:
        """Record what happened."""
        self._later(self._store.events.extend, rows)

    async def add_dead_letters(self, rows: Sequence[DeadLetterRow]) -> None:
        """Record what could not be processed."""
        self._later(self._store.dead_letters.extend, rows)

    def commit(self) -> None:
        """All of it at once."""
        for change in self._changes:
            change()

    def end(self) -> None:
        """Committed or not: let go of what was locked, and of those who wait for it."""
        for held in [held for held, by in self._store.locked.items() if by is self]:
            del self._store.locked[held]
        if self._xid is not None:
            self._store.end_writing(self._xid)
        self.ended.set()

    async def _alone_with(self, claim: Claim) -> None:
        while (other := self._store.locked.get(claim)) not in (None, self):
            assert other is not None  # noqa: S101  # the loop's condition
            await other.ended.wait()

    def _lock(self, held: int | Claim) -> None:
        self._write()
        self._store.locked[held] = self

    def _write(self) -> int:
        if self._xid is None:
            self._xid = self._store.begin_writing()
        return self._xid

    def _later(self, change: Callable[..., object], *arguments: Any) -> None:
        self._changes.append(lambda: change(*arguments))


def _move(row: PartitionRow, fence: FenceRow) -> None:
    row.checkpoint, row.checkpoint_at = fence.last, fence.at


def _stored(row: OutcomeRow) -> Stored:
    return Stored(
        owner=OwnerToken(row.owner),
        fingerprint=row.fingerprint,
        outcome=decode_outcome(row.body.encode()),
    )
