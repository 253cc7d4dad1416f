"""Step 4 of a command's way: publish it, and hold the response if the client prefers to wait.

Whoever waits listens before the command is published, so that no outcome can come too early. Once
the stream has the command nothing may turn the answer into an error any more: what goes wrong then
is a 202, and the outcome comes another way.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from homing import envelope as envelopes
from homing import telemetry
from homing.broker import Publishing, Receipt, StreamReading
from homing.errors import BrokerUnavailable, HomingError, StreamFull, TooLarge
from homing.log import get
from homing.outcome import Position, Stored
from homing.storage import OutcomeReading
from homing_api import spans
from homing_api.hub import Hub
from homing_api.pressure import Pressure
from homing_api.problems import Problem, expired, overloaded, unavailable
from homing_api.repeats import Repeats
from homing_api.sweeping import Sweeper
from homing_api.waits import DRAINED, TIMED_OUT, Heard, Waits, heard_now
from homing_api.wrapping import Wrapped

log = get(__name__)
UNACKNOWLEDGED = (
    "The stream of commands did not acknowledge in time. The command may be stored: "
    "repeat it with the same Idempotency-Key, or look at its status."
)


class Submitted(NamedTuple):
    """What came of a submit, as far as is known."""

    position: Position
    outcome: Stored | None
    waited: float | None
    """The seconds that the wait could have taken; None if there was none."""
    heard_at: float | None = None
    """Monotonic; when the outcome came that was waited for."""


@dataclass(frozen=True)
class Limits:
    """How much at once."""

    in_flight: int
    waits: int
    wait_max_seconds: float


@dataclass(frozen=True)
class Loop:
    """What a command goes out by and its outcome comes home by."""

    publisher: Publishing
    stream: StreamReading
    hub: Hub
    outcomes: OutcomeReading
    sweeper: Sweeper
    pressure: Pressure


class Submitter:
    """Submits commands."""

    def __init__(
        self, loop: Loop, limits: Limits, incarnation: int, draining: asyncio.Event
    ) -> None:
        self.waits = Waits()
        self._loop = loop
        self._repeats = Repeats(loop.outcomes)
        self._limits = limits
        self._incarnation = incarnation
        self._draining = draining
        self._in_flight = 0
        self._holding = 0

    async def submit(self, wrapped: Wrapped, wait_seconds: float | None) -> Submitted:
        """Publish and wait.

        Raises a `Problem`: 410 for a repeat whose outcome is no longer kept, 413, 422 for an
        idempotency key that was used for another command or an expiry that has passed, or 503,
        after which the command may be stored all the same.
        """
        if wrapped.repeatable and (known := await self._known(wrapped)):
            telemetry.REPEATS.labels("outcome").inc()
            return Submitted(known.outcome.position, known, None)
        if wrapped.late is not None:
            raise wrapped.late
        seconds = self._granted(wait_seconds)
        heard: asyncio.Future[Heard] = asyncio.get_running_loop().create_future()
        if not seconds:
            return Submitted(await self._publish(wrapped), None, seconds)
        with (
            self._held(),
            self._loop.hub.awaiting(
                wrapped.owner, wrapped.command_id, lambda stored: _tell(heard, stored),
                read=wrapped.repeatable,
            ),
        ):  # fmt: skip
            position = await self._published(wrapped, heard)
            with self.waits.open("response", wrapped.command_id) as wait:
                await self._wait(heard, seconds)
                wait.end(self._ended(heard))
        if not heard.done():
            cut = self._draining.is_set()  # what was preferred was not applied
            return Submitted(position, None, None if cut else seconds)
        stored, at = heard.result()
        _same_command(wrapped, stored.fingerprint)
        return Submitted(position, stored, seconds, at)

    async def _known(self, wrapped: Wrapped) -> Stored | None:
        """The outcome of an earlier command of this id. Without an answer, the stream will tell."""
        if not self._loop.sweeper.answering:
            return None
        started = time.monotonic()
        try:
            with spans.looking(wrapped):
                found = await self._repeats.find(wrapped.command_id)
        except HomingError as error:
            log.warning("repeat.unread", why=str(error))
            return None
        finally:
            telemetry.observe(telemetry.STEP_SECONDS, time.monotonic() - started, "look")
        if found is not None:
            _same_command(wrapped, found.fingerprint)
        return found

    def _granted(self, wait_seconds: float | None) -> float | None:
        if wait_seconds is None or self._holding >= self._limits.waits or self._draining.is_set():
            return None
        return min(wait_seconds, self._limits.wait_max_seconds)

    async def _published(self, wrapped: Wrapped, heard: asyncio.Future[Heard]) -> Position:
        """Publish; whoever hears the outcome first does not wait for an ack that may be lost."""
        publishing = asyncio.ensure_future(self._store(wrapped))
        publishing.add_done_callback(_heeded)
        try:
            await asyncio.wait((publishing, heard), return_when=asyncio.FIRST_COMPLETED)
            if not publishing.done():
                outcome = heard.result().stored.outcome
                own = outcome.timeline.accepted_at == wrapped.envelope.accepted_at
                self._count(wrapped, repeat=not own)
                return outcome.position
            return self._accepted(wrapped, await publishing)
        finally:
            publishing.cancel()  # which may go on all the same, if the ack is there already

    async def _publish(self, wrapped: Wrapped) -> Position:
        return self._accepted(wrapped, await self._store(wrapped))

    def _accepted(self, wrapped: Wrapped, receipt: Receipt) -> Position:
        # A duplicate of what cannot be repeated is our own publish, tried again.
        self._count(wrapped, repeat=receipt.duplicate and wrapped.repeatable)
        return Position(self._incarnation, wrapped.partition, receipt.sequence)

    def _count(self, wrapped: Wrapped, *, repeat: bool) -> None:
        if repeat:
            telemetry.REPEATS.labels("stream").inc()
        else:
            telemetry.ACCEPTED.labels(wrapped.type).inc()

    async def _store(self, wrapped: Wrapped) -> Receipt:
        self._loop.pressure.check()
        if self._in_flight >= self._limits.in_flight:
            telemetry.REFUSED.labels("in-flight").inc()
            raise overloaded(503, "Too many commands are on their way into the stream.")
        self._in_flight += 1
        started = time.monotonic()
        try:
            receipt = await spans.publish(self._loop.publisher, wrapped)
        except TooLarge as error:
            raise Problem(413, "too-large", f"The command is too large: {error.detail}.") from error
        except StreamFull as error:
            telemetry.REFUSED.labels("stream-full").inc()
            raise unavailable(
                "The stream of commands is full; the command was not stored.",
                retry_after_seconds=5, command_id=wrapped.command_id,
            ) from error  # fmt: skip
        except BrokerUnavailable as error:
            raise unavailable(UNACKNOWLEDGED, command_id=wrapped.command_id) from error
        finally:
            self._in_flight -= 1
            telemetry.observe(telemetry.STEP_SECONDS, time.monotonic() - started, "publish")
        if receipt.duplicate and wrapped.repeatable:
            await self._same_as_stored(wrapped, receipt)
        return receipt

    async def _same_as_stored(self, wrapped: Wrapped, receipt: Receipt) -> None:
        """The stream had a command of this id already: it is a repeat only if it says the same."""
        try:
            message = await self._loop.stream.read_message(receipt.sequence)
            stored = envelopes.decode(message["data"]) if message else None
        except (HomingError, envelopes.Unreadable, envelopes.Newer) as error:
            log.warning("repeat.unread", why=str(error))
            return
        if message and stored and stored.id == wrapped.command_id:
            _same_command(wrapped, stored.fingerprint)
            if await self._forgotten(wrapped, receipt.sequence, message["time"]):
                raise expired(wrapped.command_id)  # JetStream's window is longer than it was kept
        elif not await self._known(wrapped):
            # Purged by somebody: JetStream's window knows the id still, but nobody would apply it.
            raise unavailable(UNACKNOWLEDGED, command_id=wrapped.command_id)

    async def _forgotten(self, wrapped: Wrapped, sequence: int, stored_at: datetime) -> bool:
        """Whether its outcome certainly is gone: not if the store does not answer."""
        if not self._loop.sweeper.answering:
            return False
        try:
            applied = await self._loop.outcomes.applied(wrapped.partition)
            if not applied.covers(sequence, stored_at):
                return False
            return await self._repeats.find(wrapped.command_id) is None
        except HomingError as error:
            log.warning("repeat.unread", why=str(error))
            return False

    async def _wait(self, heard: asyncio.Future[Heard], seconds: float) -> None:
        drain = asyncio.ensure_future(self._draining.wait())
        try:
            await asyncio.wait((heard, drain), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            drain.cancel()

    def _ended(self, heard: asyncio.Future[Heard]) -> str:
        if heard.done():
            return heard.result().stored.outcome.status
        return DRAINED if self._draining.is_set() else TIMED_OUT

    @contextmanager
    def _held(self) -> Iterator[None]:
        self._holding += 1
        try:
            yield
        finally:
            self._holding -= 1


def _heeded(publishing: asyncio.Future[Receipt]) -> None:
    """Of one that was given up, what it raises is of no use to anybody."""
    if not publishing.cancelled():
        publishing.exception()


def _tell(heard: asyncio.Future[Heard], stored: Stored) -> None:
    if not heard.done():
        heard.set_result(heard_now(stored))


def _same_command(wrapped: Wrapped, fingerprint: str) -> None:
    if fingerprint != wrapped.fingerprint:
        raise Problem(
            422,
            "idempotency-conflict",
            "This Idempotency-Key was used for another command; a new command needs a new key.",
            command_id=wrapped.command_id,
        )
