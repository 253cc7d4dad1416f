"""A process from its first line to its last: signals, readiness, the order of stopping.

`run` owns the event loop and the signals. A process's composition root gets a `Lifecycle`, starts
its parts in one task group, and stops them in its own order once `stopping` is set. Probes read
`started` and `stopping`; a shared dependency that is away never makes a process unready, or all
replicas would leave at once.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import uvloop

from homing.errors import HomingError, NotMigrated, Unavailable
from homing.log import get

log = get(__name__)
FOREVER = float("inf")
T = TypeVar("T")


class Lifecycle:
    """What a process has told the world: started, stopping, or failed."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.stopping = asyncio.Event()
        self.dependencies: dict[str, Callable[[], bool]] = {}
        """Whether each server that is shared with the other replicas answers, as far as that is
        known; only to be shown."""
        self._failure: str | None = None

    @property
    def ready(self) -> bool:
        """Started and not stopping."""
        return self.started.is_set() and not self.stopping.is_set()

    def begin(self) -> None:
        """Everything is there: ready from now on.

        What was imported and made until now stays to the end, and the garbage collector need not
        look at it again and again (`gc.freeze`): its full passes grow with what is imported.
        """
        gc.collect()
        gc.freeze()
        self.started.set()

    def fail(self, why: str) -> None:
        """Stop the process with an error, because it cannot mend itself."""
        log.error("process.failed", why=why)
        self._failure = why
        self.stopping.set()

    async def answer_of(self, server: str, attempt: Callable[[], Awaitable[T]]) -> T:
        """What `attempt` brings, tried for ever; meanwhile `server` is known to be away."""

        async def once() -> T:
            try:
                return await attempt()
            except Unavailable:
                self.dependencies[server] = _away
                raise

        found = await patiently(server, FOREVER, once)
        self.dependencies.pop(server, None)
        return found

    @property
    def failure(self) -> str | None:
        """Why the process gave up, if it did."""
        return self._failure


def _away() -> bool:
    return False


def run(main: Callable[[Lifecycle], Awaitable[None]]) -> None:
    """Run `main` until it returns; SIGINT and SIGTERM set `stopping`. Exits 1 on failure."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        failure = runner.run(_main(main))
    if failure:
        sys.exit(1)


async def _main(main: Callable[[Lifecycle], Awaitable[None]]) -> str | None:
    lifecycle = Lifecycle()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, lifecycle.stopping.set)
    try:
        await main(lifecycle)
    except* (HomingError, OSError) as errors:
        # What these say is for the operator: another stream, a port in use. No traceback helps.
        lifecycle.fail("; ".join(dict.fromkeys(_messages(errors))))
    return lifecycle.failure


def _messages(errors: BaseExceptionGroup[Exception]) -> Iterator[str]:
    for error in errors.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _messages(error)
        else:
            yield str(error)


async def patiently(what: str, seconds: float, attempt: Callable[[], Awaitable[T]]) -> T:
    """Try until it answers, saying so; after `seconds` its last error is raised."""
    deadline = time.monotonic() + seconds
    pause = 0.1
    while True:
        try:
            return await attempt()
        except (Unavailable, NotMigrated) as error:
            if time.monotonic() + pause > deadline:
                raise
            log.warning("start.waiting", waiting_for=what, why=str(error))
        await asyncio.sleep(pause)
        pause = min(2.0, pause * 2)
