"""An operator's desk: a dead letter with all that is known of it, and how programs read it.

The command line and the operators' page both stand on it.
"""

from __future__ import annotations

import base64
import json
from typing import Any, NamedTuple

from homing.partition import partition_of
from homing.replaying import (
    NoSuchLetter,
    NotReplayable,
    Progress,
    Replay,
    Replays,
    Sent,
    original_of,
)
from homing.storage import Database, DeadLetters, Outcomes, RecordedStream, checkpoints, pruned
from homing.storage.dead_letters import Content, Letter

LATER_MAX = 1000


class Shown(NamedTuple):
    """A letter, and all that is known of it."""

    letter: Letter
    content: Content
    replays: list[Replay]
    later: int | None
    """How many commands took effect on its key since, counted up to `LATER_MAX`."""
    hindrance: str | None
    """Why it cannot be replayed, if so."""


class Desk(NamedTuple):
    """Where dead letters are looked at."""

    letters: DeadLetters
    replays: Replays
    stream: RecordedStream

    @classmethod
    def at(cls, database: Database, stream: RecordedStream) -> Desk:
        """A desk in the database that belongs to this stream."""
        letters = DeadLetters(database)
        progress = Progress(lambda: checkpoints(database), lambda: pruned(database))
        replays = Replays(letters, Outcomes(database), progress)
        return cls(letters, replays, stream)

    async def read(self, letter_id: int) -> tuple[Letter, Content]:
        """One, with what it holds. Raises `NoSuchLetter`."""
        found = await self.letters.read(letter_id)
        if found is None:
            raise NoSuchLetter(str(letter_id))
        return found

    async def shown(self, letter_id: int) -> Shown:
        """One, with its replays and what came after it on its key. Raises `NoSuchLetter`."""
        letter, content = await self.read(letter_id)
        try:
            original = original_of(letter, content)
        except NotReplayable as error:
            return Shown(letter, content, [], None, str(error))
        replays = await self.replays.of(original.id)
        place = (partition_of(original.key, self.stream.partitions), original.key)
        own = [replay.command_id for replay in replays]
        later = await self.letters.later(letter, place, own, LATER_MAX)
        return Shown(letter._replace(key=original.key), content, replays, later, None)

    async def discard(self, letter_id: int) -> None:
        """Mark it as done with. Raises `NoSuchLetter`."""
        if not await self.letters.discard(letter_id):
            raise NoSuchLetter(str(letter_id))


def document(shown: Shown) -> dict[str, Any]:
    """All of a letter, for programs."""
    return {
        **head(shown.letter),
        "subject": shown.content.subject,
        "headers": json.loads(shown.content.headers),
        **body(shown.content.body),
        "traceback": shown.content.traceback,
        "replays": [replay_document(one) for one in shown.replays],
        "later": shown.later,
        "not_replayable": shown.hindrance,
    }


def head(letter: Letter) -> dict[str, Any]:
    """A letter without what it holds, for programs."""
    return {
        "id": letter.id,
        "reason": letter.reason,
        "type": letter.type,
        "key": letter.key,
        "command_id": letter.command_id,
        "position": {
            "incarnation": letter.incarnation,
            "partition": letter.partition,
            "sequence": letter.sequence,
        },
        "recorded_at": letter.recorded_at.isoformat(),
        "discarded_at": letter.discarded_at.isoformat() if letter.discarded_at else None,
    }


def replay_document(replay: Replay) -> dict[str, Any]:
    """A replay, for programs."""
    error = replay.outcome.error if replay.outcome else None
    return {
        "number": replay.number,
        "command_id": replay.command_id,
        "status": replay.status,
        "error": {"type": error.type, "detail": error.detail} if error else None,
    }


def sent_document(sent: Sent) -> dict[str, Any]:
    """A replay that was sent, for programs."""
    replay, position = sent.replay, sent.position
    return {
        "command_id": replay.command_id,
        "replays": sent.original,
        "number": replay.number,
        "position": {
            "incarnation": position.incarnation,
            "partition": position.partition,
            "sequence": position.sequence,
        },
    }


def body(raw: bytes) -> dict[str, str]:
    """Text as text, all else as base64."""
    try:
        return {"body": raw.decode()}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(raw).decode()}
