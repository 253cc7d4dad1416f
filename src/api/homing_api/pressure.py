"""Back-pressure by lag: above `HOMING_LAG_MAX_SECONDS` nothing more is taken in.

Looked at once a second, beside the submits, so that none of them waits for it. A lag that cannot
be known refuses nothing: with NATS away a publish fails by itself, and with Postgres away the
stream still takes what it has room for, which is what it is there for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from homing import telemetry
from homing.errors import HomingError
from homing.lag import Measured
from homing.log import get
from homing_api.problems import overloaded

log = get(__name__)
LOOK_SECONDS = 1.0
RETRY_AFTER_SECONDS = 5


class Pressure:
    """Whether there is too much to do already."""

    def __init__(
        self, measured: Callable[[], Awaitable[Measured]], max_seconds: float | None
    ) -> None:
        """`max_seconds` None never refuses, and never looks."""
        self._measured = measured
        self._max_seconds = max_seconds
        self._refusing = False

    def check(self) -> None:
        """Raises a 503 while lag is above the limit."""
        if self._refusing:
            telemetry.REFUSED.labels("lag").inc()
            raise overloaded(
                503,
                "The commands that wait are too old already; this one was not sent.",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            )

    async def run(self) -> None:
        """Look for ever."""
        while self._max_seconds is not None:
            self._conclude(await self._lag(), self._max_seconds)
            await asyncio.sleep(LOOK_SECONDS)

    async def _lag(self) -> float | None:
        try:
            return (await self._measured()).oldest_seconds
        except HomingError as error:
            log.debug("lag.unknown", why=str(error))
            return None

    def _conclude(self, lag: float | None, most: float) -> None:
        refusing = lag is not None and lag > most
        if refusing != self._refusing:
            log.warning(
                "submits.refused" if refusing else "submits.taken_again",
                lag_seconds=lag, max_seconds=most,
            )  # fmt: skip
        self._refusing = refusing
