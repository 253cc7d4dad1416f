"""What the processes ask of the storage while commands flow, as protocols.

Postgres has one implementation, `homing.testing.memory_store` another; the contract suite holds
both to the same promises. Who holds which partition, the migrations and the domains' queries belong
to Postgres alone: their promises are SQL.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from msgspec import Raw

from homing.claims import Claim
from homing.domain import Domain
from homing.outcome import OwnerToken, Stored
from homing.storage.checkpoint import Checkpoint
from homing.storage.outcomes import Bounds, Look, Page, Placed
from homing.storage.rounds import CopyRow, DeadLetterRow, EventRow, FenceRow, OutcomeRow


class RoundStatements(Protocol):
    """The statements of a round, in the order in which locks must be taken."""

    async def fence(self, rows: Sequence[FenceRow]) -> set[int]:
        """Move the checkpoints; the partitions that are really ours."""

    async def known(self, command_ids: Sequence[str]) -> dict[str, str]:
        """Those of the ids that have an outcome, with their fingerprints."""

    async def succeeded(self, command_ids: Sequence[str]) -> set[str]:
        """Those of the ids that have succeeded."""

    async def load_states(self, domain: Domain, keys: Sequence[str]) -> dict[str, Any]:
        """The states of these keys; a key that has none is left out."""

    async def load_claims(self, keys: Collection[tuple[str, str]]) -> dict[Claim, str]:
        """What these (domain, key) hold: claim to key."""

    async def claim(self, asked: Mapping[Claim, str]) -> set[Claim]:
        """Claim for these keys; those that were free. Waits for who has not committed."""

    async def settle_claims(self, changes: Mapping[Claim, str | None]) -> None:
        """Hand claims on or give them up (None)."""

    async def save_states(self, domain: Domain, states: Mapping[str, Raw | None]) -> None:
        """Save these states, each in JSON; None removes one."""

    async def add_outcomes(self, rows: Sequence[OutcomeRow]) -> None:
        """Record the verdicts; one that is there already breaks the round."""

    async def note_copies(self, rows: Sequence[CopyRow]) -> None:
        """Note until when commands that have an outcome came again."""

    async def add_events(self, rows: Sequence[EventRow]) -> None:
        """Record what happened."""

    async def add_dead_letters(self, rows: Sequence[DeadLetterRow]) -> None:
        """Record what could not be processed."""


class RoundStore(Protocol):
    """Opens the transactions of rounds."""

    def transaction(self) -> AbstractAsyncContextManager[RoundStatements]:
        """Commits when the block ends, rolls back when it raises. Raises `RoundFailed`."""


class HolderRecords(Protocol):
    """What the holder of a partition writes and asks beside its rounds."""

    async def suspect(self, partition: int, epoch: int, sequence: int) -> None:
        """Record which command is about to be applied, in case it ends the process."""

    async def answers(self) -> bool:
        """Whether the store answers at once: if so, a round that took long was slow by itself."""


class OutcomeReading(Protocol):
    """Reads outcomes: by id, by owner, and for the sweep."""

    async def read(self, command_ids: Sequence[str]) -> list[Stored]:
        """The outcomes of these commands that there are."""

    async def applied(self, partition: int) -> Checkpoint:
        """How far a partition is applied: every command up to there has, or had, its outcome."""

    async def look(self) -> Look:
        """A look at nothing, for the next one to begin where this one was."""

    async def since(self, look: Look, last: tuple[int, str] | None = None) -> Page:
        """What was committed since a look, behind `last`."""

    async def bounds(self) -> Bounds:
        """Where the store is now."""

    async def own_since(
        self, owner: OwnerToken, xid: int, command_id: str, limit: int
    ) -> list[Placed]:
        """An owner's outcomes behind (xid, command id), oldest first."""

    async def own_before(
        self, owner: OwnerToken, xid: int, command_id: str, limit: int
    ) -> list[Placed]:
        """An owner's outcomes before (xid, command id), newest first."""
