"""Looks at the database and at the lag for operators: only while somebody wants to see it.

One look at a time and at most one a second, however many ask and by whichever route; streams get
the whole first and then what changes. A reader that takes nothing is cut like any other stream.

    idle --a viewer comes--> looking, once a second --the last viewer leaves--> idle
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Protocol

import msgspec

from homing.errors import HomingError
from homing.lag import Found, Lag
from homing.log import get
from homing.outcome import OwnerToken, now
from homing.storage import Sight
from homing.storage.outcomes import Look
from homing_api import events
from homing_api.operators.rates import Rates
from homing_api.operators.state import (
    State,
    changes,
    counted,
    lag_of,
    last_replays,
    letters_of,
    partitions_of,
)
from homing_api.streams import Frame, Stream, come_again

log = get(__name__)
PACE_SECONDS = 1.0
VIEWERS_MAX = 50
LIFETIME_SECONDS = 3600.0
FORGET_SECONDS = 5.0
"""A look that old is no beginning for the next one's rates."""
OPENING = events.comment("open")
OPERATOR = OwnerToken("operator")


class Looking(Protocol):
    """Looks at the database."""

    async def look(self, before: Look | None, asked: Sequence[str]) -> Sight:
        """Look once. Raises `StorageUnavailable`."""


class Watcher:
    """Knows what operators see, and who looks."""

    def __init__(self, sights: Looking, lag: Lag, *, lease_seconds: float, writable: bool) -> None:
        self._sights = sights
        self._lag = lag
        self._lease_seconds = lease_seconds
        self._writable = writable
        self._viewers: dict[Stream, State | None] = {}
        self._somebody = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()
        self._ending = False
        self._forget()

    @property
    def viewers(self) -> int:
        """How many streams are open."""
        return len(self._viewers)

    def _forget(self) -> None:
        self._rates = Rates()
        self._sight: Sight | None = None
        self._looked_at = float("-inf")
        self._found: State | HomingError | None = None

    async def state(self) -> State:
        """What there is to see, about a second old at most. Raises a `HomingError`."""
        async with self._one_at_a_time:
            age = time.monotonic() - self._looked_at
            if self._found is None or age >= PACE_SECONDS:
                if age >= FORGET_SECONDS:
                    self._forget()
                try:
                    self._found = await self._look()
                except HomingError as error:
                    self._found = error
                self._looked_at = time.monotonic()
            found = self._found
        if isinstance(found, HomingError):
            raise found
        return found

    async def stream(self) -> AsyncIterator[bytes]:
        """Everything, and then what changes, until the reader leaves."""
        if self._ending or self.viewers >= VIEWERS_MAX:
            full = {"detail": f"{VIEWERS_MAX} look already, which is as many as may."}
            yield _frame("unavailable", full)() + come_again()
            return
        stream = Stream(OPERATOR)
        stream.ends_at = time.monotonic() + LIFETIME_SECONDS
        self._viewers[stream] = None
        self._somebody.set()
        try:
            yield stream.passing(OPENING)
            while (frame := await stream.next()) is not None:
                yield frame
            yield stream.passing(come_again())
        finally:
            del self._viewers[stream]
            if not self._viewers:
                self._somebody.clear()

    async def run(self) -> None:
        """Look for ever, whenever there is somebody to tell."""
        while True:
            await self._somebody.wait()
            started = time.monotonic()
            await self._tell()
            spent = time.monotonic() - started
            # Half of the time at most, where looking is that slow.
            await asyncio.sleep(max(PACE_SECONDS - spent, spent))

    def end(self) -> None:
        """End all streams; no other is opened."""
        self._ending = True
        for stream in self._viewers:
            stream.end("drain")

    async def _tell(self) -> None:
        try:
            state = await self.state()
        except HomingError as error:
            log.warning("operators.unseen", why=str(error))
            away = _frame("unavailable", {"detail": str(error)})
            self._each(lambda stream, _before: stream.offer(away))
            return
        whole = _frame("state", state)
        known: dict[int, Frame] = {}  # most viewers have seen the same before

        def tell(stream: Stream, before: State | None) -> None:
            self._viewers[stream] = state
            if before is None:
                stream.offer(whole)
            elif before is not state:
                if id(before) not in known:
                    known[id(before)] = _frame("changes", changes(before, state))
                stream.offer(known[id(before)])

        self._each(tell)

    def _each(self, tell: Callable[[Stream, State | None], None]) -> None:
        at = time.monotonic()
        for stream, before in list(self._viewers.items()):
            tell(stream, before)
            stream.tick(at)
            if at >= stream.ends_at:
                stream.end("lifetime")

    async def _look(self) -> State:
        sight, lag = await asyncio.gather(self._seen(self._sight), self._measured())
        self._sight = sight
        self._rates.ended(time.monotonic(), sight.ended or {})
        found = lag if isinstance(lag, Found) else None
        if found is not None:
            self._rates.accepted(found.measured.measured_at, self._lag.last_sequence)
        else:
            self._rates.accepted_unknown()
        count, more = counted(sight)
        return State(
            at=now(),
            writable=self._writable,
            lease_seconds=self._lease_seconds,
            reactors=sight.reactors,
            partitions=partitions_of(sight, found.partitions if found else None),
            lag=lag_of(found.measured) if found else None,
            lag_unknown=str(lag) if isinstance(lag, HomingError) else None,
            rates=self._rates.shown(),
            letters=letters_of(sight),
            letters_open=count,
            letters_more=more,
            outcomes=sight.outcomes,
        )

    async def _seen(self, before: Sight | None) -> Sight:
        """A look does not know of replays that are new to it: then it looks twice."""
        since, asked = (before.look, last_replays(before)) if before else (None, {})
        sight = await self._sights.look(since, list(asked.values()))
        if (there := last_replays(sight)).items() <= asked.items():
            return sight
        return await self._sights.look(since, list(there.values()))

    async def _measured(self) -> Found | HomingError:
        try:
            return await self._lag.found()
        except HomingError as error:
            return error


def _frame(name: str, said: Any) -> Frame:
    data = events.event(name, msgspec.json.encode(said))
    return lambda: data
