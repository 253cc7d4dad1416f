"""What is kept how long: the holder of a partition trims its commands and prunes its outcomes.

All of it goes at a slow pace beside the rounds, one partition after another. A command may leave
the stream once its retention is over since it was applied, so that a database that is restored by
as much finds again what it had not applied; the message of the checkpoint stays, as it shows that
the stream is still the one that was applied. An outcome keeps its command from taking effect again,
so it stays for as long as that command could still come.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import NamedTuple

from homing import envelope as envelopes
from homing import telemetry
from homing.broker import CommandSource, Kept
from homing.errors import HomingError
from homing.identity import ID_PATTERN
from homing.log import get
from homing.outcome import now
from homing.storage import SKEW, Database, Pruning, recorded_stream
from homing_reactor.held import Held
from homing_reactor.lease import Lease

log = get(__name__)
BATCH_PAUSE_SECONDS = 0.05
LOOKS_MAX = 100
LEASE_MIN_SECONDS = 0.5
"""Of the lease, to ask for what cannot be taken back: a process that was frozen has none left."""


class Retention(NamedTuple):
    """How long what is kept, and how often that is looked at."""

    commands: timedelta
    outcomes: timedelta
    events: timedelta
    pace_seconds: float


class _Told(NamedTuple):
    """What an outcome tells of a message."""

    sequence: int
    lately: bool | None
    """Whether it was applied within the retention; None if many up to it tell nothing."""


class Trimmer:
    """Removes the applied commands of one partition that are too old."""

    def __init__(
        self, stream: CommandSource, rows: Pruning, lease: Lease, retention: Retention
    ) -> None:
        self._stream = stream
        self._rows = rows
        self._lease = lease
        self._kept = retention.commands
        self._outcomes = retention.outcomes

    async def trim(self, partition: int, checkpoint: int) -> None:
        """Purge below the checkpoint's message and the first one that was stored or applied lately,
        whichever comes first."""
        oldest = now() - self._kept
        first = await self._stream.next_message(partition, 0)
        if first is None or first.sequence >= checkpoint or first.stored_at >= oldest:
            return
        young = await self._stream.first_since(partition, oldest)
        below = min(checkpoint, young.sequence) if young else checkpoint
        below = await self._applied_lately(partition, first.sequence, below)
        if first.sequence >= below:
            return
        if self._lease.left < LEASE_MIN_SECONDS:
            return
        count = await self._stream.trim(partition, below)
        telemetry.TRIMMED.inc(count)
        log.debug("partition.trimmed", partition=partition, below=below, count=count)

    async def _applied_lately(self, partition: int, low: int, below: int) -> int:
        """Where what was applied lately begins; `below` if nothing was.

        By halving what is between: a partition is applied in the order of the stream. What tells
        nothing is passed over, in either direction.
        """
        if low >= below:
            return below
        middle = (low + below) // 2
        found = await self._told_from(partition, middle, below)
        if found is None or found.lately is not False:
            earlier = await self._applied_lately(partition, low, middle)
            if earlier < middle:
                return earlier
            if found is None:
                return below
            if found.lately:
                return middle
        return await self._applied_lately(partition, found.sequence + 1, below)

    async def _told_from(self, partition: int, begin: int, end: int) -> _Told | None:
        """The first message there of which its outcome tells; None if there is none.

        A second copy of a command has no outcome of its own, nor has what could not be read. One
        that is as old as outcomes are kept has lost it.
        """
        after, forgotten = begin - 1, now() - self._outcomes
        for _ in range(LOOKS_MAX):
            message = await self._stream.next_message(partition, after)
            if message is None or message.sequence >= end:
                return None
            after = message.sequence
            lately = await self._rows.applied_within(
                await self._command_id(message), partition, after, self._kept
            )
            if lately is None and message.stored_at < forgotten:
                lately = False
            if lately is not None:
                return _Told(after, lately)
        return _Told(after, None)

    async def _command_id(self, message: Kept) -> str | None:
        """Not every publisher says it in the header."""
        if ID_PATTERN.fullmatch(message.command_id):
            return message.command_id
        stored = await self._stream.read_message(message.sequence)
        try:
            return envelopes.decode(stored["data"]).id if stored else None
        except (envelopes.Unreadable, envelopes.Newer):
            return None


class Pruner:
    """Removes the outcomes and events of one partition that are too old."""

    def __init__(self, stream: CommandSource, rows: Pruning, retention: Retention) -> None:
        self._stream = stream
        self._rows = rows
        self._retention = retention

    async def prune(self, partition: int, checkpoint: int) -> None:
        """In small batches, until nothing is too old."""
        coming = await self._stream.next_message(partition, checkpoint)
        before = coming.stored_at - SKEW if coming else None
        kept = self._retention
        await _all("outcomes", lambda: self._rows.outcomes(partition, kept.outcomes, before))
        await _all("events", lambda: self._rows.events(partition, kept.events))


class Keeper:
    """Goes round the partitions in hand."""

    def __init__(
        self,
        held: Callable[[], list[Held]],
        trimmer: Trimmer,
        pruner: Pruner,
        still_ours: Callable[[], Awaitable[bool]],
        pace_seconds: float,
    ) -> None:
        """`still_ours`: whether the database still belongs to the stream that it did at start."""
        self._held = held
        self._trimmer = trimmer
        self._pruner = pruner
        self._still_ours = still_ours
        self._pace_seconds = pace_seconds

    async def run(self) -> None:
        """For ever, until it is cancelled; what fails is tried again at the next turn."""
        while True:
            held = self._held()
            await self._pause(len(held))
            for one in held:
                await self._tend(one)
                await self._pause(len(held))

    async def _pause(self, count: int) -> None:
        jitter = random.uniform(0.5, 1.5)  # noqa: S311
        await asyncio.sleep(self._pace_seconds * jitter / (count + 1))

    async def _tend(self, held: Held) -> None:
        try:
            checkpoint = held.checkpoint
            if not (await self._still_ours() and held.open_after_round):
                return
            if not await held.same_stream():
                held.mark_unclean("stream")  # which will say why, and apply nothing
                return
            await self._trimmer.trim(held.partition, checkpoint)
            await self._pruner.prune(held.partition, checkpoint)
        except HomingError as error:
            log.warning("retention.failed", partition=held.partition, why=str(error))
        except Exception:
            log.exception("retention.broken", partition=held.partition)


def keeper(
    held: Callable[[], list[Held]],
    stream: CommandSource,
    lease: Lease,
    database: Database,
    retention: Retention,
    ours: tuple[int, Callable[[str], None]],
) -> Keeper:
    """Put together; `ours` is the incarnation of the start, and what to do when it is another."""
    incarnation, fail = ours

    async def still_ours() -> bool:
        recorded = await recorded_stream(database)
        same = recorded is not None and recorded.incarnation == incarnation
        if not same:
            fail("a stream was adopted since this process began; it has to begin again")
        return same

    rows = Pruning(database)
    return Keeper(
        held,
        Trimmer(stream, rows, lease, retention),
        Pruner(stream, rows, retention),
        still_ours,
        retention.pace_seconds,
    )


async def _all(table: str, batch: Callable[[], Awaitable[int]]) -> None:
    while count := await batch():
        telemetry.PRUNED.labels(table).inc(count)
        log.debug("rows.pruned", table=table, count=count)
        await asyncio.sleep(BATCH_PAUSE_SECONDS)
