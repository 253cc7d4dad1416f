"""Replaying a dead letter: a new command that does again what failed.

Outcomes stay final, so a replay has an id of its own, derived from the failed command's id and a
number: the same however often it is asked for. The number rises only when the replay before has
failed. The letter of a replay that failed speaks for the command that it replayed, or two letters
would do one thing twice. Everything else of the command stays: key, owner, payload, trace. Its
expiry does not, as whoever replays wants it now.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import NamedTuple

import msgspec

from homing import envelope as envelopes
from homing.broker import Publishing
from homing.commands import TYPE_PATTERN
from homing.envelope import Envelope
from homing.errors import HomingError
from homing.identity import replayed_command_id, traceparent
from homing.outcome import Outcome, Position, now
from homing.partition import partition_of, subject_of
from homing.storage import Checkpoint, DeadLetters, OutcomeReading, RecordedStream
from homing.storage.dead_letters import CONFLICT, Content, Letter, Noted

SURELY_KEPT = timedelta(days=1)
"""For so long a replay of which this stream tells nothing is sent again: an outcome would show."""


class NoSuchLetter(HomingError):
    """There is no dead letter"""


class NotReplayable(HomingError):
    """It cannot be replayed:"""


class Done(HomingError):
    """It is not replayed again:"""


class Replay(NamedTuple):
    """One replay of a failed command."""

    number: int
    command_id: str
    outcome: Outcome | None
    """None while it is pending, or when it is no longer kept."""


class Sent(NamedTuple):
    """A replay that the stream has."""

    replay: Replay
    original: str
    position: Position


def original_of(letter: Letter, content: Content) -> Envelope:
    """The command that failed, in its envelope. Raises `NotReplayable`."""
    if letter.reason.startswith(f"{CONFLICT}:"):
        raise NotReplayable(
            "its id belongs to another command, which was sent with the same idempotency key; "
            "whoever sent it has to send it with a key of its own"
        )
    try:
        envelope = envelopes.decode(content.body)
    except envelopes.Unreadable as error:
        raise NotReplayable(f"it has no readable envelope: {error}") from error
    except envelopes.Newer as error:
        raise NotReplayable(f"only a newer version can read it: {error}") from error
    if not TYPE_PATTERN.fullmatch(envelope.type):
        raise NotReplayable("no command can have its type, and no subject be made of it")
    original = envelope.replays or envelope.id
    return msgspec.structs.replace(envelope, id=original, replays=None)


def replayed(original: Envelope, number: int) -> Envelope:
    """The new command. Of the old one it has all that makes its effect."""
    return msgspec.structs.replace(
        original,
        id=replayed_command_id(original.id, number),
        replays=original.id,
        accepted_at=now(),
        traceparent=traceparent(original.traceparent),
        delay_seconds=0.0,
        expires_at=None,
    )


class Replays:
    """Says what became of replays, and sends the next one."""

    def __init__(
        self,
        letters: DeadLetters,
        outcomes: OutcomeReading,
        checkpoints: Callable[[], Awaitable[Mapping[int, Checkpoint]]],
    ) -> None:
        self._letters = letters
        self._outcomes = outcomes
        self._checkpoints = checkpoints

    async def of(self, original: str, sent: int) -> list[Replay]:
        """The replays of a command, of which so many were sent."""
        ids = [replayed_command_id(original, number) for number in range(1, sent + 1)]
        known = {one.outcome.command_id: one.outcome for one in await self._outcomes.read(ids)}
        return [Replay(number, one, known.get(one)) for number, one in enumerate(ids, 1)]

    async def send(self, original: Envelope, stream: RecordedStream, publisher: Publishing) -> Sent:
        """Send the replay that is due: the next one, or a pending one once more.

        Raises `Done` if one has succeeded, was rejected, or may have been; `BrokerUnavailable`,
        `StreamFull`, after which asking again is safe.
        """
        partition = partition_of(original.key, stream.partitions)
        number = await self._due(original.id, partition, stream.incarnation)
        await self._letters.note_replay(original.id, number)
        envelope = replayed(original, number)
        receipt = await publisher.publish(
            replayed_command_id(original.id, number), subject_of(envelope.type, partition),
            envelopes.encode(envelope), envelope.traceparent,
        )  # fmt: skip
        position = Position(stream.incarnation, partition, receipt.sequence)
        await self._letters.place_replay(original.id, number, position)
        return Sent(Replay(number, envelope.id, None), original.id, position)

    async def _due(self, original: str, partition: int, incarnation: int) -> int:
        noted = await self._letters.replays(original)
        if noted is None:
            raise NotReplayable("no dead letter has the command that it replays")
        if not noted.number:
            return 1
        applied = (await self._checkpoints())[partition].sequence  # before its outcome is read
        last = (await self.of(original, noted.number))[-1]
        if last.outcome is None:
            if _gone(noted, incarnation, applied):
                raise Done(
                    f"replay {last.number} ({last.command_id}) was sent at {noted.sent_at}, and "
                    "its outcome, if it had one, is no longer kept"
                )
            return last.number
        if last.outcome.status == "failed":
            return last.number + 1
        raise Done(f"replay {last.number} ({last.command_id}) {_ENDED[last.outcome.status]}")


def _gone(noted: Noted, incarnation: int, applied: int) -> bool:
    """Whether a replay without an outcome may have had one.

    Positions tell it only within one incarnation of the stream; another one may have lost it.
    """
    if noted.incarnation == incarnation and noted.sequence is not None:
        return noted.sequence <= applied
    return noted.sent_at is not None and noted.sent_at < now() - SURELY_KEPT


_ENDED = {"succeeded": "succeeded", "rejected": "was rejected by a rule, which is final"}
