"""The sweep: find what was committed and not heard, as nothing after a commit may be relied on.

Once a second, and at once when messages may have been missed, the outcomes since the last sweep are
listed and those that somebody still waits for are fetched. A look says what it has covered, and
counts only after all of it was delivered. Who is connected is told within 2 s of the commit, as
long as a sweep takes less than half a second.
"""

from __future__ import annotations

import asyncio
import time

from homing import telemetry
from homing.errors import HomingError
from homing.log import get
from homing.storage import Look, OutcomeReading
from homing_api.hub import Hub

log = get(__name__)
PACE_SECONDS = 1.0
RETRY_SECONDS = 0.5
FETCH_AT_ONCE = 500


class Sweeper:
    """Sweeps for ever."""

    def __init__(self, hub: Hub, outcomes: OutcomeReading, seen: Look) -> None:
        """`seen` is from before the first outcome was routed."""
        self._seen = seen
        self._hub = hub
        self._outcomes = outcomes
        self._kicked = asyncio.Event()
        self.answering = True
        """Whether the store answered the last time."""

    @property
    def horizon(self) -> int:
        """All outcomes of transactions below it were delivered; the cursor of owners' streams."""
        return self._seen.horizon

    def kick(self, _why: str = "") -> None:
        """Something may have been missed: sweep at once."""
        self._kicked.set()

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            self._kicked.clear()
            started = time.monotonic()
            try:
                await self.sweep()
            except HomingError as error:
                self.answering, pause = False, RETRY_SECONDS
                log.warning("sweep.failed", why=str(error))
            else:
                self.answering, spent = True, time.monotonic() - started
                # Half of the time at most, where the store is that slow.
                pause = max(PACE_SECONDS - spent, spent)
            try:
                async with asyncio.timeout(pause):
                    await self._kicked.wait()
            except TimeoutError:
                pass

    async def sweep(self) -> None:
        """One sweep over everything since the last one. Raises `StorageUnavailable`."""
        first = page = await self._outcomes.since(self._seen)
        while True:
            await self._fetch([one for one, owner in page.found if self._hub.wanted(owner, one)])
            if page.last is None:
                break
            page = await self._outcomes.since(self._seen, page.last)
        self._seen = first.look

    async def _fetch(self, missed: list[str]) -> None:
        for start in range(0, len(missed), FETCH_AT_ONCE):
            for stored in await self._outcomes.read(missed[start : start + FETCH_AT_ONCE]):
                telemetry.SWEPT.inc()
                self._hub.deliver(stored)
