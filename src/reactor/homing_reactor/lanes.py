"""The lanes of a process: one merged and two aside, each with a connection of its own.

A second merged lane would be safe, and brings nothing on two cores. Two aside, so that one that
waits for a lock or thinks for long does not hold up the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from homing.storage import Database
from homing_reactor.applying import Applier
from homing_reactor.forming import Caps
from homing_reactor.lane import Lane, Shared
from homing_reactor.pace import Pace

ASIDE = 2


class Lanes:
    """All of them."""

    def __init__(
        self,
        merged: Database,
        aside: Database,
        applier: Callable[[Database], Applier],
        shared: Shared,
        caps: Caps,
    ) -> None:
        self._lanes = [Lane(applier(merged), shared, Pace(caps), aside=False)]
        self._lanes += [Lane(applier(aside), shared, Pace(caps), aside=True) for _ in range(ASIDE)]

    def kick(self) -> None:
        """Something waits."""
        for lane in self._lanes:
            lane.kick()

    async def run(self, stopping: asyncio.Event) -> None:
        """Apply rounds until `stopping`; the rounds in hand are finished."""
        async with asyncio.TaskGroup() as group:
            for lane in self._lanes:
                group.create_task(lane.run(stopping))
