"""Open event streams: bounded queues, and one clock for all their heartbeats and deadlines.

A stream is written by its request's own task, which may hang in a send; so everything that depends
on time is done from outside, once a second for all: a timer per stream costs more than the events.
A stream ends when it has nothing more to say, when its life is over, when the process drains, or
when its reader is too slow: then it alone is cut, and resumes later.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from opentelemetry.trace import Span

from homing import telemetry
from homing.log import get
from homing.outcome import OwnerToken, now
from homing_api import events

log = get(__name__)
TICK_SECONDS = 1.0
HEARTBEAT_SECONDS = 15.0
PING_SECONDS = 30.0
STUCK_SECONDS = 8.0
QUEUE_MAX = 500
RETRY_MS = (500, 3000)
Frame = Callable[[], bytes]
"""Makes the bytes when they are written, so that an event can tell when it was sent."""


class Stream:
    """One stream: what waits to be written, and how the writing goes."""

    def __init__(self, owner: OwnerToken) -> None:
        self.owner = owner
        self.written_at = self.pinged_at = time.monotonic()
        self.ends_at = float("inf")
        self.ping: Callable[[], bytes] = lambda: events.event("ping", b"{}")
        """Called when a ping is queued, not when it is written: its cursor is of that moment."""
        self._frames: deque[Frame] = deque()
        self._wake = asyncio.Event()
        self._writing = False
        self.opened_at = now()
        self._ended: str | None = None
        self._writer = asyncio.current_task()
        self._telling: Span | None = None

    @property
    def ended(self) -> str | None:
        """Why, once it is to end."""
        return self._ended

    def offer(self, frame: Frame) -> None:
        """Queue a frame; a queue that is full cuts the stream."""
        if self._ended:
            return
        if len(self._frames) >= QUEUE_MAX:
            self.cut("slow")
            return
        self._frames.append(frame)
        self._wake.set()

    def end(self, why: str) -> None:
        """Write what waits, then end."""
        self._ended = self._ended or why
        self._wake.set()

    def cut(self, why: str) -> None:
        """End at once, in the middle of whatever is being written."""
        self._ended = self._ended or why
        self._frames.clear()
        if self._writing and self._writer is not None:
            self._writer.cancel()
        self._wake.set()

    async def next(self) -> bytes | None:
        """The next bytes; None at the end. What was given before counts as written now."""
        self._writing, self.written_at = False, time.monotonic()
        self.telling(None)
        while not self._frames:
            if self._ended:
                return None
            self._wake.clear()
            await self._wake.wait()
        return self.passing(self._frames.popleft()())

    def telling(self, span: Span | None) -> None:
        """What is written from now on is this span's; what was written before is written."""
        if self._telling is not None:
            self._telling.end()
        self._telling = span

    def passing(self, data: bytes) -> bytes:
        """`data`, noted as being written from now on."""
        self._writing, self.written_at = True, time.monotonic()
        return data

    def tick(self, now: float) -> None:
        """Do what is due."""
        if self._writing:
            if now - self.written_at > STUCK_SECONDS:
                self.cut("stuck")
        elif now - self.pinged_at >= PING_SECONDS:
            self.pinged_at = now
            ping = self.ping()
            self.offer(lambda: ping)
        elif now - self.written_at >= HEARTBEAT_SECONDS:
            self.offer(lambda: events.HEARTBEAT)


@dataclass(frozen=True)
class Caps:
    """How many streams, and for how long."""

    per_owner: int
    in_all: int
    lifetime_seconds: float


class Streams:
    """All open streams of this process."""

    def __init__(self, caps: Caps) -> None:
        self._caps = caps
        self._open: dict[OwnerToken, set[Stream]] = {}
        self._count = 0
        self._empty = asyncio.Event()
        self._empty.set()
        self._draining = False

    def refusal(self, owner: OwnerToken) -> str | None:
        """Why no further stream can be opened, if so."""
        if self._draining:
            return "draining"
        if self._count >= self._caps.in_all:
            return "too many streams"
        if len(self._open.get(owner, ())) >= self._caps.per_owner:
            return "too many streams of this session"
        return None

    @contextmanager
    def opened(self, stream: Stream) -> Iterator[None]:
        """Count it, and let it tick."""
        # Jitter, so that streams which were opened together do not come back together.
        life = self._caps.lifetime_seconds * random.uniform(0.9, 1.0)  # noqa: S311
        stream.ends_at = time.monotonic() + life
        self._open.setdefault(stream.owner, set()).add(stream)
        self._count += 1
        self._empty.clear()
        telemetry.STREAMS_OPEN.set(self._count)
        if self._draining:
            stream.end("drain")
        try:
            yield
        finally:
            stream.telling(None)
            mine = self._open[stream.owner]
            mine.discard(stream)
            if not mine:
                del self._open[stream.owner]
            self._count -= 1
            if not self._count:
                self._empty.set()
            telemetry.STREAMS_OPEN.set(self._count)
            telemetry.STREAMS_ENDED.labels(stream.ended or "client").inc()

    async def tick(self) -> None:
        """Do for ever what is due in each stream."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = time.monotonic()
            for stream in self._all():
                stream.tick(now)
                if now >= stream.ends_at:
                    stream.end("lifetime")

    async def drain(self, seconds: float) -> None:
        """End all streams, spread over a window; return when they are gone or the time is up."""
        self._draining = True
        streams = self._all()
        random.shuffle(streams)
        deadline = asyncio.get_running_loop().time() + seconds
        for stream in streams:
            stream.end("drain")
            await asyncio.sleep(seconds / 2 / len(streams))
        try:
            async with asyncio.timeout_at(deadline):
                await self._empty.wait()
        except TimeoutError:
            log.warning("streams.cut", count=self._count)

    def _all(self) -> list[Stream]:
        return [stream for streams in self._open.values() for stream in streams]


def come_again() -> bytes:
    """When to reconnect, different for each client."""
    return events.retry(random.randint(*RETRY_MS))  # noqa: S311  # spreads, guards nothing
