"""The sweep: find what was committed and not heard, as nothing after a commit may be relied on.

Once a second, and at once when messages may have been missed, the outcomes since the last sweep are
listed and those that somebody still waits for are fetched. `horizon` is the cursor: nothing that
commits later can have a transaction id below it. It moves only after all of a sweep was delivered.
"""

from __future__ import annotations

import asyncio
import time

from homing import telemetry
from homing.errors import HomingError
from homing.log import get
from homing.storage import OutcomeReading
from homing_api.hub import Hub

log = get(__name__)
PACE_SECONDS = 1.0
# A transaction of somebody else's that stays open keeps the horizon where it is, so that sweeps
# repeat more and more: they may take a tenth of the time at most.
REST = 9.0
FETCH_AT_ONCE = 500


class Sweeper:
    """Sweeps for ever."""

    def __init__(self, hub: Hub, outcomes: OutcomeReading, horizon: int) -> None:
        """`horizon` is from before the first outcome was routed."""
        self._hub = hub
        self._outcomes = outcomes
        self._kicked = asyncio.Event()
        self.horizon = horizon
        self.answering = True
        """Whether the store answered the last time."""

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
                self.answering = True
            except HomingError as error:
                self.answering = False
                log.warning("sweep.failed", why=str(error))
            spent = time.monotonic() - started
            try:
                async with asyncio.timeout(max(PACE_SECONDS, REST * spent)):
                    await self._kicked.wait()
            except TimeoutError:
                pass

    async def sweep(self) -> None:
        """One sweep over everything since the last one. Raises `StorageUnavailable`."""
        first = page = await self._outcomes.since(self.horizon)
        while True:
            await self._fetch([one for one, owner in page.found if self._hub.wanted(owner, one)])
            if page.last is None:
                break
            page = await self._outcomes.since(self.horizon, page.last)
        self.horizon = first.horizon

    async def _fetch(self, missed: list[str]) -> None:
        for start in range(0, len(missed), FETCH_AT_ONCE):
            for stored in await self._outcomes.read(missed[start : start + FETCH_AT_ONCE]):
                telemetry.SWEPT.inc()
                self._hub.deliver(stored)
