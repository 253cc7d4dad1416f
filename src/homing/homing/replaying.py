"""Replaying a dead letter: a new command that does again what failed.

Outcomes stay final, so a replay has an id of its own, derived from the failed command's id and a
number: the same however often it is asked for. The number rises only when the replay before has
failed. The letter of a replay that failed speaks for the command that it replayed, or two letters
would do one thing twice. Everything else of the command stays: key, owner, payload, trace. Its
expiry does not, as whoever replays wants it now.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec

from homing import envelope as envelopes
from homing.broker import Publishing, StreamReading
from homing.commands import TYPE_PATTERN
from homing.envelope import Envelope
from homing.errors import HomingError, TooLarge, Unavailable
from homing.identity import replayed_command_id, traceparent
from homing.outcome import Outcome, Position, now
from homing.partition import partition_of, subject_of
from homing.storage import SKEW, Checkpoint, DeadLetters, OutcomeReading, RecordedStream
from homing.storage.dead_letters import CONFLICT, Content, Letter, Noted

PENDING = "pending"


class NoSuchLetter(HomingError):
    """There is no dead letter"""


class NotReplayable(HomingError):
    """It cannot be replayed:"""


class Done(HomingError):
    """It is not replayed again:"""


class NotYet(Unavailable):
    """It cannot be replayed yet:"""


class Replay(NamedTuple):
    """One replay of a failed command."""

    number: int
    command_id: str
    outcome: Outcome | None
    """None while it is pending, or when it is no longer kept."""
    failed: bool = False
    """Its letter tells so, which is kept for longer."""

    @property
    def status(self) -> str:
        """What it ended as; `pending` as long as that is not known."""
        if self.outcome is not None:
            return self.outcome.status
        return "failed" if self.failed else PENDING


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


class Progress(NamedTuple):
    """Asks the database how far it is, by partition."""

    checkpoints: Callable[[], Awaitable[Mapping[int, Checkpoint]]]
    pruned_until: Callable[[], Awaitable[Mapping[int, datetime]]]
    """The stream's time of the youngest command whose outcome was removed."""


class Wire(NamedTuple):
    """The stream that the database belongs to, and the ways to it."""

    recorded: RecordedStream
    publisher: Publishing
    reading: StreamReading


class Replays:
    """Says what became of replays, and sends the next one."""

    def __init__(self, letters: DeadLetters, outcomes: OutcomeReading, progress: Progress) -> None:
        self._letters = letters
        self._outcomes = outcomes
        self._progress = progress

    async def of(self, original: str) -> list[Replay]:
        """The replays of a command: those that were noted, and those of which outcomes tell.

        A database that was restored has lost notes, but applies again what the stream has.
        """
        noted = await self._letters.replays(original)
        return await self._known(original, noted.number if noted else 0)

    async def pending(self, original: Envelope, wire: Wire) -> bool:
        """Whether the stream has a replay of a command that is to be applied yet."""
        noted = await self._letters.replays(original.id)
        if noted is None or noted.sequence is None:
            return False
        applied = await self._applied(original, wire)
        last = (await self._known(original.id, noted.number))[-1]
        if last.status != PENDING:
            return False
        there = await _stored(wire, noted.sequence, last.command_id)
        return there is not None and not applied.covers(noted.sequence, there)

    async def send(self, original: Envelope, wire: Wire) -> Sent:
        """Send the replay that is due: the next one, or a pending one once more.

        Raises `Done` if one has succeeded, was rejected, or may have been; `NotReplayable`;
        `NotYet`, `BrokerUnavailable`, `StreamFull`, after which asking again is safe.
        """
        number = await self._due(original, wire)
        await self._letters.note_replay(original.id, number)
        envelope = replayed(original, number)
        partition = partition_of(original.key, wire.recorded.partitions)
        try:
            receipt = await wire.publisher.publish(
                replayed_command_id(original.id, number), subject_of(envelope.type, partition),
                envelopes.encode(envelope), envelope.traceparent,
            )  # fmt: skip
        except TooLarge as error:
            raise NotReplayable(f"the stream takes nothing so large: {error.detail}") from error
        if receipt.duplicate and await _stored(wire, receipt.sequence, envelope.id) is None:
            raise NotYet(
                "the stream lost its message and still knows its id: after the duplicate window"
            )
        position = Position(wire.recorded.incarnation, partition, receipt.sequence)
        await self._letters.place_replay(original.id, number, position)
        return Sent(Replay(number, envelope.id, None), original.id, position)

    async def _due(self, original: Envelope, wire: Wire) -> int:
        noted = await self._letters.replays(original.id)
        if noted is None:
            raise NotReplayable("no dead letter has the command that it replays")
        applied = await self._applied(original, wire)  # before outcomes
        if any(
            one.outcome.status == "succeeded" for one in await self._outcomes.read([original.id])
        ):
            raise Done("the command itself has succeeded, when it was applied again")
        known = await self._known(original.id, noted.number)
        for one in known:
            if one.status in _ENDED:
                raise Done(f"replay {one.number} ({one.command_id}) {_ENDED[one.status]}")
        if not known or known[-1].status == "failed":
            return len(known) + 1
        last = known[-1]
        if await self._gone(original, noted, last.command_id, applied, wire):
            raise Done(
                f"replay {last.number} ({last.command_id}) was sent at {noted.sent_at}, and "
                "its outcome, if it had one, is no longer kept"
            )
        return last.number

    async def _gone(
        self, original: Envelope, noted: Noted, replay: str, applied: Checkpoint, wire: Wire
    ) -> bool:
        """Whether a replay without an outcome may have had one.

        The stream tells it, if it has the replay. Else its outcome would show, unless one of its
        partition that is no older was removed.
        """
        if noted.sequence is not None:
            there = await _stored(wire, noted.sequence, replay)
            if there is not None:
                return applied.covers(noted.sequence, there)
        until = await self._progress.pruned_until()  # after outcomes
        pruned = until.get(partition_of(original.key, wire.recorded.partitions))
        return pruned is not None and noted.sent_at is not None and noted.sent_at <= pruned + SKEW

    async def _applied(self, original: Envelope, wire: Wire) -> Checkpoint:
        partition = partition_of(original.key, wire.recorded.partitions)
        return (await self._progress.checkpoints())[partition]

    async def _known(self, original: str, noted: int) -> list[Replay]:
        found = await self._read(original, range(1, noted + 1))
        while not found or found[-1].status != PENDING:
            (more,) = await self._read(original, range(len(found) + 1, len(found) + 2))
            if more.status == PENDING:
                break
            found.append(more)
        return found

    async def _read(self, original: str, numbers: range) -> list[Replay]:
        ids = [replayed_command_id(original, number) for number in numbers]
        known = {one.outcome.command_id: one.outcome for one in await self._outcomes.read(ids)}
        failed = await self._letters.failed([one for one in ids if one not in known])
        return [
            Replay(number, one, known.get(one), one in failed)
            for number, one in zip(numbers, ids, strict=True)
        ]


async def _stored(wire: Wire, sequence: int, command_id: str) -> datetime | None:
    """When the stream stored this command at this place; None if it has it not, or not there."""
    message = await wire.reading.read_message(sequence)
    try:
        found = message is not None and envelopes.decode(message["data"]).id == command_id
    except (envelopes.Unreadable, envelopes.Newer):
        return None
    return message["time"] if message is not None and found else None


_ENDED = {"succeeded": "succeeded", "rejected": "was rejected by a rule, which is final"}
