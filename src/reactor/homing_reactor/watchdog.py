"""Ends the process when its event loop has stood still for too long.

A function that holds Python's global lock, such as a regular expression that never ends, stops all
threads: no lease is renewed, and nothing in Python can notice. The timer of `faulthandler` is none
of Python's threads. It prints where each of them stands, and exits; what the command's next reactor
does about it is the same as for any command that kills its reactor.
"""

from __future__ import annotations

import asyncio
import faulthandler
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

TURNS = 5


@asynccontextmanager
async def watched(seconds: float) -> AsyncIterator[None]:
    """While inside, the process ends with 1 once the loop has not turned for `seconds`."""
    turning = asyncio.create_task(_turn(seconds))
    try:
        yield
    finally:
        turning.cancel()
        faulthandler.cancel_dump_traceback_later()


async def _turn(seconds: float) -> None:
    while True:
        faulthandler.dump_traceback_later(seconds, exit=True)
        await asyncio.sleep(seconds / TURNS)
