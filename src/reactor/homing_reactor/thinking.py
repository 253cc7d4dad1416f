"""A thread in which the rounds of a lane are decided.

A domain that thinks for long, or for ever, then holds up neither the leases nor the other lanes. A
thread cannot be stopped: one that does not come back in time is left to itself, and another takes
its place. Threads are daemons, so that none keeps the process from its end.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

from homing_reactor.failure import TookTooLong

T = TypeVar("T")
RUNAWAYS_MAX = 8


class Runaways:
    """The threads of a process that have not come back: only a new process gets rid of them."""

    def __init__(self, overrun: Callable[[str], None]) -> None:
        """`overrun(why)` is called when there are too many."""
        self._overrun = overrun
        self._threads: list[threading.Thread] = []

    def add(self, thread: threading.Thread) -> None:
        """One more; those that came back after all are forgotten."""
        self._threads = [one for one in (*self._threads, thread) if one.is_alive()]
        if len(self._threads) >= RUNAWAYS_MAX:
            self._overrun(f"{RUNAWAYS_MAX} threads are lost in a domain's functions")


class Mind:
    """Runs one function at a time, each for `seconds` at most."""

    def __init__(self, seconds: float, runaways: Runaways) -> None:
        self._seconds = seconds
        self._runaways = runaways
        self._inbox: SimpleQueue[Any] | None = None
        self._thread: threading.Thread | None = None

    async def think(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises. Raises `TookTooLong`; then nobody knows when it ends."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        inbox = self._inbox or self._start()
        inbox.put((work, loop, answer))
        await asyncio.wait((answer,), timeout=self._seconds)
        if not answer.done():
            self._abandon(inbox)
            raise TookTooLong(f"the domain's functions took longer than {self._seconds:g} s")
        return answer.result()

    def _start(self) -> SimpleQueue[Any]:
        self._inbox = SimpleQueue()
        self._thread = threading.Thread(
            target=_work, args=(self._inbox,), name="homing-mind", daemon=True
        )
        self._thread.start()
        return self._inbox

    def _abandon(self, inbox: SimpleQueue[Any]) -> None:
        inbox.put(None)  # the last that it hears, should it come back
        assert self._thread is not None  # noqa: S101  # it was started
        self._runaways.add(self._thread)
        self._inbox = self._thread = None


def _work(inbox: SimpleQueue[Any]) -> None:
    while (asked := inbox.get()) is not None:
        work, loop, answer = asked
        try:
            result, error = work(), None
        except Exception as raised:
            result, error = None, raised
        try:
            loop.call_soon_threadsafe(_tell, answer, result, error)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return
        del work, answer, result, error, asked  # or the last round stays until the next


def _tell(answer: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if answer.done():
        return
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(result)
