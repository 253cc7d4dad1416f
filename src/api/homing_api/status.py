"""`GET /api/commands/{id}`: the outcome, or the proof that a command is pending, or neither."""

from __future__ import annotations

from datetime import timedelta

from homing import envelope as envelopes
from homing.broker import StreamReading
from homing.errors import HomingError
from homing.identity import ID_PATTERN, created_at
from homing.outcome import CommandId, Outcome, OwnerToken, Position, now
from homing.storage import OutcomeReading
from homing_api.answering import Accepted, links_of
from homing_api.problems import Problem, expired, unavailable


def is_command_id(text: str) -> bool:
    """Whether a command could have this id."""
    return ID_PATTERN.fullmatch(text) is not None


def command_id_of(text: str) -> CommandId:
    """A command id out of a path. Raises a 404: nothing can be there."""
    if not is_command_id(text):
        raise Problem(404, "not-found", "This is no command id.")
    return CommandId(text)


class Status:
    """Looks a command up for its owner; another owner's looks like one that is not known."""

    def __init__(
        self,
        outcomes: OutcomeReading,
        stream: StreamReading,
        incarnation: int,
        retention: timedelta,
    ) -> None:
        self._outcomes = outcomes
        self._stream = stream
        self._incarnation = incarnation
        self._retention = retention

    async def look_up(
        self, owner: OwnerToken, command_id: CommandId, sequence: int | None
    ) -> Outcome | Accepted:
        """The outcome, or that it is pending. Raises a `Problem`: 404, 410 or 503."""
        try:
            found = await self._outcomes.read([command_id])
            if found and found[0].owner == owner:
                return found[0].outcome
            if not found and sequence is not None:
                return await self._pending(owner, command_id, sequence)
        except HomingError as error:
            raise unavailable("The status cannot be read at the moment.") from error
        raise self._not_known(command_id)

    async def _missing(self, command_id: CommandId, sequence: int) -> Problem:
        """Trimmed, after it had its outcome, which is gone, too; unless its id is too young.

        Then its stream was purged or restored, and with it the command is gone.
        """
        if sequence <= await self._stream.last_sequence() and created_at(command_id) is None:
            return expired()
        return self._not_known(command_id)

    def _not_known(self, command_id: CommandId) -> Problem:
        """Expired, if the time in its id tells so."""
        made = created_at(command_id)
        return expired() if made and made < now() - self._retention else _unknown()

    async def _pending(
        self, owner: OwnerToken, command_id: CommandId, sequence: int
    ) -> Outcome | Accepted:
        message = await self._stream.read_message(sequence)
        if message is None:
            raise await self._missing(command_id, sequence)
        try:
            stored = envelopes.decode(message["data"])
        except (envelopes.Unreadable, envelopes.Newer):
            raise self._not_known(command_id) from None
        if (stored.id, stored.owner) != (command_id, owner):
            raise self._not_known(command_id)
        partition = int(message["subject"].split(".")[2])
        if (await self._outcomes.applied(partition)).covers(sequence, message["time"]):
            # The last one that was applied stays in the stream, longer than its outcome is kept.
            if found := await self._outcomes.read([command_id]):  # since the first look
                return found[0].outcome
            raise expired()
        return Accepted(
            command_id=stored.id,
            type=stored.type,
            key=stored.key,
            position=Position(self._incarnation, partition, sequence),
            links=links_of(stored.id, sequence),
        )


def _unknown() -> Problem:
    detail = "There is no such command of this session, or it was accepted a moment ago."
    return Problem(404, "not-known-yet", detail, headers={"Retry-After": "1"})
