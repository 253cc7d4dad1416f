"""Ctrl-C and SIGTERM: the first asks for an orderly end, the second for a quick one."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any


class Stopping:
    """What the signals asked for. Children never see them: they are in sessions of their own."""

    def __init__(self, hurry: Callable[[], None]) -> None:
        self.asked = asyncio.Event()
        self._hurry = hurry

    def listen(self) -> None:
        """Take the signals over; a closed terminal counts, unless `nohup` said otherwise."""
        loop = asyncio.get_running_loop()
        wanted = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            wanted.append(signal.SIGHUP)
        for signum in wanted:
            loop.add_signal_handler(signum, self._on_signal)

    async def unless_asked(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work`, or cancel it when an end is asked for; raises what it raises."""
        working = asyncio.ensure_future(work)
        asked = asyncio.ensure_future(self.asked.wait())
        try:
            await asyncio.wait({working, asked}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
        finally:
            asked.cancel()
            working.cancel()
            await asyncio.wait({working})
            if not working.cancelled():
                working.exception()  # seen: an end was asked for while it failed

    def _on_signal(self) -> None:
        if self.asked.is_set():
            self._hurry()
        self.asked.set()
