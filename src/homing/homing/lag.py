"""Lag: how old the oldest unapplied command is, and how many there are (`/lag`).

The checkpoints are Postgres's, the rest is the stream's, so the answer is right whether any reactor
runs or not. It is measured when somebody asks, at most once a second, and more seldom if that takes
long; whoever asks meanwhile gets the same. What cannot be measured is an error, never a 0: an
autoscaler would take the reactors away in the middle of an outage. A command that is held back on
purpose counts like any other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec

from homing.broker import BacklogReading, Beyond, Tail
from homing.errors import BrokerUnavailable, HomingError, LagUnknown
from homing.outcome import now
from homing.problems import CONTENT_TYPE as PROBLEM
from homing.problems import ProblemDocument
from homing.storage import Checkpoint

FRESH_SECONDS = 1.0
SHARE = 5
"""Looking takes no more than a fifth of the time: in a deep backlog the server counts for long."""
PATIENCE_SECONDS = 2.0
JSON = "application/json"
Checkpoints = dict[int, Checkpoint]
"""By partition."""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What is unapplied at one moment."""

    gap: int
    """Commands in the stream beyond the checkpoints."""
    partitions: int
    """How many partitions have some."""
    oldest_seconds: float
    """The age of the oldest of them, by the stream's own clock; 0 if there is none."""
    measured_at: datetime


class PartitionLag(NamedTuple):
    """What is unapplied in one partition."""

    gap: int
    oldest_seconds: float


class Found(NamedTuple):
    """What is unapplied in all, and in each partition."""

    measured: Measured
    partitions: dict[int, PartitionLag]


class Lag:
    """Measures lag; before it knows by what, and whenever a server is away, lag is unknown."""

    def __init__(self) -> None:
        self._checkpoints: Callable[[], Awaitable[Checkpoints]] | None = None
        self._stream: BacklogReading | None = None
        self._lock = asyncio.Lock()
        self._look_again_at = float("-inf")
        self._found: Found | HomingError = LagUnknown("the process has not started yet")
        self._empty: tuple[int, Checkpoints] | None = None
        """Last sequence and checkpoints when everything was applied."""
        self.last_sequence = 0
        """The last that the stream had given out when it was measured."""

    def measure_by(
        self, checkpoints: Callable[[], Awaitable[Checkpoints]], stream: BacklogReading
    ) -> None:
        """Measure by these from now on."""
        self._checkpoints, self._stream = checkpoints, stream

    async def measured(self) -> Measured:
        """The lag, about a second old at most. Raises a `HomingError` if it cannot be known."""
        return (await self.found()).measured

    @property
    def begun(self) -> bool:
        """Whether the process is far enough to measure it."""
        return self._stream is not None

    async def found(self) -> Found:
        """The same, and of each partition."""
        async with self._lock:
            if time.monotonic() >= self._look_again_at:
                began = time.monotonic()
                self._found = await self._in_time()
                ended = time.monotonic()
                known = isinstance(self._found, Found)
                rest = SHARE * (ended - began) if known else 0.0
                self._look_again_at = ended + max(FRESH_SECONDS, rest)
        if isinstance(self._found, HomingError):
            raise self._found
        return self._found

    async def answer(self, _query: bytes) -> tuple[int, str, bytes]:
        """`GET /lag` of the internal port."""
        try:
            return 200, JSON, msgspec.json.encode(await self.measured())
        except HomingError as error:
            problem = ProblemDocument.of(503, "unavailable", str(error))
            return 503, PROBLEM, msgspec.json.encode(problem)

    async def _in_time(self) -> Found | HomingError:
        """Whoever asks is not kept waiting by a server that does not answer a cancellation."""
        measuring = asyncio.ensure_future(self._tried())
        await asyncio.wait((measuring,), timeout=PATIENCE_SECONDS)
        if measuring.done():
            return measuring.result()
        measuring.cancel()
        return LagUnknown(f"no answer within {PATIENCE_SECONDS:g} s")

    async def _tried(self) -> Found | HomingError:
        try:
            return await self._measure()
        except HomingError as error:
            return error

    async def _measure(self) -> Found:
        if self._checkpoints is None or self._stream is None:
            raise LagUnknown("the process has not started yet")
        # In this order: what is applied in between is counted once too often, never missed.
        applied = await self._checkpoints()
        tail = await self._stream.tail()
        self.last_sequence = tail.sequence
        if self._empty == (tail.sequence, applied):
            return _found(dict.fromkeys(applied, PartitionLag(0, 0.0)))
        after = {partition: one.sequence for partition, one in applied.items()}
        if max(after.values(), default=0) > tail.sequence:
            raise LagUnknown("the stream ends before what the database says is applied")
        found = await self._stream.beyond(after)
        _same_stream(applied, found)
        partitions = {number: _unapplied(one, tail) for number, one in found.items()}
        if not any(one.gap for one in partitions.values()):
            await self._nothing_missed(self._stream, after, tail)
            self._empty = (tail.sequence, applied)
        return _found(partitions)

    async def _nothing_missed(
        self, stream: BacklogReading, after: Mapping[int, int], tail: Tail
    ) -> None:
        """A replica that is behind the leader finds nothing beyond, too; the leader knows better.

        The last message of the stream is some partition's checkpoint, unless it was taken away.
        """
        if max(after.values(), default=0) >= tail.sequence:
            return
        if await stream.read_message(tail.sequence) is not None:
            raise BrokerUnavailable("a replica of the stream is behind its leader")


def _same_stream(applied: Checkpoints, found: Mapping[int, Beyond]) -> None:
    """One that was restored or made anew uses sequences again, and hides what is below them."""
    for partition, (sequence, at) in applied.items():
        if sequence and found[partition].at != (at or found[partition].at):
            raise LagUnknown(
                f"message {sequence} of the stream is not the one that was applied last in "
                f"partition {partition}"
            )


def _unapplied(one: Beyond, tail: Tail) -> PartitionLag:
    age = (tail.at - one.oldest_at).total_seconds() if one.oldest_at else 0.0
    return PartitionLag(one.commands, max(0.0, age))


def _found(partitions: dict[int, PartitionLag]) -> Found:
    waiting = [one for one in partitions.values() if one.gap]
    measured = Measured(
        gap=sum(one.gap for one in waiting),
        partitions=len(waiting),
        oldest_seconds=max((one.oldest_seconds for one in waiting), default=0.0),
        measured_at=now(),
    )
    return Found(measured, partitions)
