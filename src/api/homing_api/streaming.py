"""Event streams: of one command, and of everything that a browser waits for.

Both listen first, then read what is stored, then deliver, each outcome once. A stream of one
command ends with its outcome; a browser's goes on, and can be resumed behind any of its events.

    ways a stream ends: told (one command) · lifetime · drain · slow, stuck · store-away · client
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from typing import NamedTuple

import msgspec

from homing import telemetry
from homing.errors import HomingError
from homing.log import get
from homing.outcome import CommandId, OwnerToken, Stored, sent
from homing.storage import NIL, Bounds, OutcomeReading, Placed
from homing_api import events, spans
from homing_api.cursor import Cursor, parse
from homing_api.hub import Hub
from homing_api.remembering import Remembered
from homing_api.streams import QUEUE_MAX, Frame, Stream, Streams, come_again
from homing_api.sweeping import Sweeper
from homing_api.waits import DRAINED, TIMED_OUT, Heard, Wait, Waits, heard_now

log = get(__name__)
OPENING = events.comment("open")
PAGE = 200
WAITING_MAX = 50
TOLD_LEAST = 2500


Written = Callable[[Stream, Stored, str, float | None], Frame]
"""Makes the frame of an outcome: its event id, and when it came, if that was waited for."""


class Told(NamedTuple):
    """What a browser says when it opens its stream."""

    cursor: str | None
    """`Last-Event-ID`, if it was here before."""
    waiting: Sequence[CommandId]
    """Commands whose outcomes may have come before."""


class Streaming:
    """Writes event streams."""

    def __init__(
        self,
        streams: Streams,
        hub: Hub,
        outcomes: OutcomeReading,
        sweeper: Sweeper,
        incarnation: int,
        waits: Waits,
    ) -> None:
        self._waits = waits
        self._streams = streams
        self._hub = hub
        self._outcomes = outcomes
        self._sweeper = sweeper
        self._incarnation = incarnation

    async def of_command(
        self, owner: OwnerToken, command_id: CommandId, timeout: float | None
    ) -> AsyncIterator[bytes]:
        """The outcome, whenever it comes; `pending` once if that takes more than `timeout`."""
        stream = Stream(owner)
        telemetry.STREAMS_OPENED.labels("fresh").inc()

        def heard(stored: Stored) -> None:
            wait.end(stored.outcome.status)
            stream.offer(self._outcome(stream, stored, command_id, _came_at(stored, stream)))
            stream.end("told")

        def late(seconds: float) -> None:
            wait.end(TIMED_OUT)
            stream.offer(lambda: events.pending(command_id, round(seconds * 1000)))

        with (
            self._streams.opened(stream),
            self._waiting(stream, command_id, timeout) as wait,
            self._hub.awaiting(owner, command_id, heard, read=True),
            _later(timeout, late),
        ):
            yield stream.passing(OPENING)
            while (frame := await stream.next()) is not None:
                yield frame
            if stream.ended != "told":
                yield stream.passing(come_again())

    @contextmanager
    def _waiting(
        self, stream: Stream, command_id: CommandId, timeout: float | None
    ) -> Iterator[Wait]:
        """Without a timeout it is no wait, and is not counted."""
        with self._waits.open("stream", command_id, counts=timeout is not None) as wait:
            try:
                yield wait
            finally:
                if stream.ended in ("drain", "lifetime"):
                    wait.end(DRAINED)

    def _outcome(
        self, stream: Stream, stored: Stored, event_id: str, heard_at: float | None = None
    ) -> Frame:
        def frame() -> bytes:
            spans.writes(stream, stored.outcome)
            self._waits.told("stream", stored.outcome, heard_at)
            return events.event("outcome", msgspec.json.encode(sent(stored.outcome)), event_id)

        return frame

    async def of_owner(self, owner: OwnerToken, told: Told) -> AsyncIterator[bytes]:
        """Every outcome of an owner, from a cursor on or from now on."""
        stream = Stream(owner)
        with self._streams.opened(stream):
            yield stream.passing(OPENING)
            try:
                bounds = await self._outcomes.bounds()
                feed = _Feed(stream, self._sweeper, self._incarnation, bounds, self._outcome)
                with self._hub.feeding(owner, feed.hear):
                    async with aclosing(self._history(feed, owner, told)) as history:
                        async for frame in history:
                            yield stream.passing(frame)
                    feed.live()
                    while (event := await stream.next()) is not None:
                        yield event
            except HomingError as error:
                log.warning("stream.store_away", why=str(error))
                stream.cut("store-away")  # and nothing of it counts: it is resumed where it began
            yield stream.passing(come_again())

    async def _history(
        self, feed: _Feed, owner: OwnerToken, told: Told
    ) -> AsyncGenerator[bytes, None]:
        """What is stored since the cursor, and of what the client waits for."""
        start = feed.start_from(told.cursor)
        how = "reset" if start is None else "resumed" if told.cursor else "fresh"
        telemetry.STREAMS_OPENED.labels(how).inc()
        if start is None:
            yield events.event("reset", b"{}", feed.start)
            start = feed.floor
        position = (start, NIL)
        while True:
            page = await self._outcomes.own_since(owner, *position, PAGE)
            for placed in page:
                if feed.is_new(placed.stored):
                    yield self._outcome(feed.stream, placed.stored, feed.cursor_at(placed))()
            if len(page) < PAGE:
                break
            position = (page[-1].xid, page[-1].stored.outcome.command_id)
        waiting = told.waiting[:WAITING_MAX]
        for stored in await self._outcomes.read(waiting) if waiting else ():
            if stored.owner == owner and feed.is_new(stored):
                yield self._outcome(feed.stream, stored, feed.start)()
        yield events.primer(feed.start)


class _Feed:
    """What an owner's stream knows of itself: where it stands, and what it has told."""

    def __init__(
        self, stream: Stream, sweeper: Sweeper, incarnation: int, bounds: Bounds, frame: Written
    ) -> None:
        self.stream = stream
        self._frame = frame
        self._sweeper = sweeper
        self._here = Cursor(incarnation, bounds.timeline, bounds.oldest_running)
        self._next_xid = bounds.next_xid
        self._told = Remembered(TOLD_LEAST)
        self._early: list[tuple[Heard, str]] | None = []
        # What was heard while history is being read. Most of it is history as well, and is told as
        # such: told from here, after all history, its cursor would run ahead of its neighbours.

    @property
    def floor(self) -> int:
        """Where a stream begins that has no cursor."""
        return self._here.horizon

    def start_from(self, text: str | None) -> int | None:
        """The transaction id to begin with; None if `text` is no cursor of this place."""
        if text is None:
            return self.floor
        said = parse(text)
        if said is None or said[:2] != self._here[:2] or said.horizon > self._next_xid:
            return None
        return said.horizon

    @property
    def start(self) -> str:
        """The cursor of a stream that has told its history and nothing else."""
        return str(self._here)

    def cursor(self) -> str:
        """The cursor of what is heard now: all below it is history, or was heard before."""
        return str(self._here._replace(horizon=max(self.floor, self._sweeper.horizon)))

    def cursor_at(self, placed: Placed) -> str:
        """The cursor of stored history: it must not run ahead of what is still to be read."""
        return str(self._here._replace(horizon=min(self.floor, placed.xid)))

    def is_new(self, stored: Stored) -> bool:
        """Whether this outcome was not told on this stream; it counts as told from now on."""
        command_id = stored.outcome.command_id
        if command_id in self._told:
            return False
        self._told.add(command_id)
        return True

    def hear(self, stored: Stored) -> None:
        """An outcome of the owner, as it comes."""
        heard = heard_now(stored)
        if self._early is None:
            self._offer(heard, self.cursor())
        elif len(self._early) < QUEUE_MAX:
            self._early.append((heard, self.cursor()))
        else:
            self.stream.cut("slow")

    def live(self) -> None:
        """All history is told: go on with what was heard since.

        From now on pings may carry the cursor on, so that it does not grow old.
        """
        early, self._early = self._early or (), None
        for heard, cursor in early:
            self._offer(heard, cursor)
        self.stream.ping = lambda: events.event("ping", b"{}", self.cursor())

    def _offer(self, heard: Heard, cursor: str) -> None:
        if self.is_new(heard.stored):
            self.stream.offer(self._frame(self.stream, heard.stored, cursor, heard.at))


def _came_at(stored: Stored, stream: Stream) -> float | None:
    """Now, unless the outcome was there before anybody listened."""
    decided_at = stored.outcome.timeline.decided_at
    return time.monotonic() if decided_at is None or decided_at >= stream.opened_at else None


@contextmanager
def _later(seconds: float | None, call: Callable[[float], None]) -> Iterator[None]:
    """Call `call(seconds)` once after so many seconds, unless the block has ended."""
    if seconds is None:
        yield
        return
    timer = asyncio.get_running_loop().call_later(seconds, call, seconds)
    try:
        yield
    finally:
        timer.cancel()
