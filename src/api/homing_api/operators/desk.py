"""Replays and discards dead letters for operators, by the code that the command line uses.

Each time the database is asked anew which stream it belongs to: it may have been adopted since this
process started, and a replay to any other stream would be lost or done twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from homing import envelope as envelopes
from homing.broker import Broker, CommandStream, Publishing, verify
from homing.desk import Desk, document, sent_document
from homing.errors import NotMigrated, TopologyMismatch, Unavailable
from homing.identity import trace_id
from homing.log import get
from homing.replaying import Done, NoSuchLetter, NotReplayable, Wire, original_of
from homing.storage import Database, RecordedStream, recorded_stream
from homing.storage.dead_letters import Content
from homing_api.problems import Problem, unavailable

log = get(__name__)


class Letters:
    """The desk of this process."""

    def __init__(self, database: Database, broker: Broker, publisher: Publishing) -> None:
        self._database = database
        self._broker = broker
        self._publisher = publisher

    async def show(self, letter_id: int) -> dict[str, Any]:
        """All of a letter, payload included. Raises a `Problem`."""
        with _told():
            return document(await (await self._desk()).shown(letter_id))

    async def replay(self, letter_id: int) -> dict[str, Any]:
        """Send what failed as a new command. Raises a `Problem`."""
        with _told():
            desk = await self._desk()
            letter, content = await desk.read(letter_id)
            original = original_of(letter, content)
            await self._same_stream(desk.stream)
            wire = Wire(desk.stream, self._publisher, CommandStream(self._broker))
            sent = await desk.replays.send(original, wire)
        log.info(
            "letter.replayed", letter=letter_id, command_id=sent.replay.command_id,
            partition=sent.position.partition, trace_id=trace_id(original.traceparent),
        )  # fmt: skip
        discarded_at = letter.discarded_at.isoformat() if letter.discarded_at else None
        return {**sent_document(sent), "discarded_at": discarded_at}

    async def discard(self, letter_id: int) -> dict[str, Any]:
        """Mark a letter as done with; twice is as good as once. Raises a `Problem`."""
        with _told():
            desk = await self._desk()
            await desk.discard(letter_id)
            letter, content = await desk.read(letter_id)
        log.info(
            "letter.discarded", letter=letter_id, command_id=letter.command_id,
            partition=letter.partition, trace_id=trace_of(content),
        )  # fmt: skip
        discarded_at = letter.discarded_at.isoformat() if letter.discarded_at else None
        return {"id": letter_id, "discarded_at": discarded_at}

    async def _desk(self) -> Desk:
        stream = await recorded_stream(self._database)
        if stream is None:
            raise NotMigrated("the database does not know its stream")
        return Desk.at(self._database, stream)

    async def _same_stream(self, stream: RecordedStream) -> None:
        facts = await verify(self._broker, stream.partitions)
        if facts.created_at != stream.created_at:
            raise TopologyMismatch(f"the database belongs to the stream of {stream.created_at}")


def trace_of(content: Content) -> str:
    """The trace of a letter's command; empty if it has no envelope that can be read."""
    try:
        return trace_id(envelopes.decode(content.body).traceparent)
    except (envelopes.Unreadable, envelopes.Newer):
        return ""


@contextmanager
def _told() -> Iterator[None]:
    """What the library raises, as an answer."""
    try:
        yield
    except NoSuchLetter as error:
        raise Problem(404, "no-such-letter", str(error)) from error
    except NotReplayable as error:
        raise Problem(409, "not-replayable", str(error)) from error
    except Done as error:
        raise Problem(409, "done", str(error)) from error
    except (Unavailable, NotMigrated, TopologyMismatch) as error:
        raise unavailable(str(error)) from error
