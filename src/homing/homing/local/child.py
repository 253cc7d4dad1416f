"""A child that is watched: its lines are shown, and if it dies it is started again.

`supervise` is one task for the child's whole life and never raises; `until_ready` and `stop` are
called from outside.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Mapping

import aiohttp

from homing.local import program
from homing.local.screen import Screen
from homing.local.trouble import LocalTrouble

FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 10.0
CALM_SECONDS = 30.0
READY_SECONDS = 60.0
TRIES_AT_START = 3
BAD_SETTINGS = 2
PROBE_TIMEOUT = aiohttp.ClientTimeout(total=2)


class ChildFailed(LocalTrouble):
    """A process did not start:"""


class Child:
    """One of Homing's own processes, started as `python -m homing COMMAND`."""

    def __init__(self, name: str, command: str, environ: Mapping[str, str], screen: Screen) -> None:
        self.name = name
        self.restarted: Callable[[], None] = lambda: None
        self._argv = [sys.executable, "-m", "homing", command]
        self._environ = environ
        self._screen = screen
        self._program: program.Program | None = None
        self._stop = asyncio.Event()
        self._deaths: list[int] = []

    @property
    def pid(self) -> int:
        """Of the process that runs now, or ran last; 0 before the first start."""
        return self._program.pid if self._program else 0

    async def supervise(self) -> None:
        """Keep it running until `stop`, waiting longer after each quick death."""
        delay = FIRST_DELAY_SECONDS
        while not self._stop.is_set():
            lived = await self._live()
            if self._stop.is_set():
                return
            delay = FIRST_DELAY_SECONDS if lived > CALM_SECONDS else delay
            self._screen.say(
                f"{self.name} ended with {describe(self._deaths[-1])}; "
                f"starting it again in {delay:g} s"
            )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), delay)
            delay = min(delay * 2, LONGEST_DELAY_SECONDS)

    async def until_ready(self, session: aiohttp.ClientSession) -> None:
        """Return when `/readyz` says so. Raises `ChildFailed` if that does not come."""
        url = f"http://127.0.0.1:{self._environ['HOMING_INTERNAL_PORT']}/readyz"
        try:
            async with asyncio.timeout(READY_SECONDS):
                while not await _answers(session, url):
                    self._give_up_on_repeated_deaths()
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise ChildFailed(f"{self.name} was not ready after {READY_SECONDS:g} s") from None

    async def stop(self, grace_seconds: float) -> None:
        """SIGTERM; SIGKILL after the grace."""
        self._stop.set()
        running = self._program
        if running is None or running.exit_code is not None:
            return
        if not await running.stop(signal.SIGTERM, grace_seconds):
            self._screen.say(f"{self.name} did not end within {grace_seconds:g} s and was killed")

    def hurry(self) -> None:
        """SIGKILL, now."""
        self._stop.set()
        if self._program is not None:
            self._program.send(signal.SIGKILL)

    async def _live(self) -> float:
        """One life, from start to death; its length in seconds."""
        clock = asyncio.get_running_loop().time
        born = clock()
        running = await program.start(
            self._argv,
            parting=signal.SIGKILL,
            output=asyncio.subprocess.PIPE,
            environ=self._environ,
        )
        self._program = running
        if self._stop.is_set():  # `stop` came while it was being born and saw nothing to stop
            running.send(signal.SIGKILL)
        if self._deaths:
            self.restarted()
        showing = asyncio.create_task(show(self.name, running, self._screen))
        self._deaths.append(await running.wait())
        await asyncio.wait({showing}, timeout=1.0)
        showing.cancel()
        return clock() - born

    def _give_up_on_repeated_deaths(self) -> None:
        if len(self._deaths) < TRIES_AT_START and BAD_SETTINGS not in self._deaths:
            return
        raise ChildFailed(
            f"{self.name} ended with {describe(self._deaths[-1])}; its last words are above"
        )


async def once(command: str, environ: Mapping[str, str], screen: Screen) -> None:
    """Run `homing COMMAND` to its end, showing its lines. Raises `ChildFailed` if it fails."""
    running = await program.start(
        [sys.executable, "-m", "homing", command],
        parting=signal.SIGKILL,
        output=asyncio.subprocess.PIPE,
        environ=environ,
    )
    try:
        await show(command, running, screen)
        code = await running.wait()
    except asyncio.CancelledError:
        await running.stop(signal.SIGTERM, 5.0)
        raise
    if code != 0:
        raise ChildFailed(f"{command} ended with {describe(code)}; its last words are above")


async def show(name: str, running: program.Program, screen: Screen) -> None:
    """Pass the program's lines on until it closes its output."""
    while True:
        try:
            line = await running.output.readline()
        except ValueError:
            screen.line(name, "(a line that is too long to show)")
            continue
        if not line:
            return
        screen.line(name, line.decode("utf-8", errors="replace").rstrip())


def describe(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return f"signal {signal.Signals(-code).name}"
    return f"signal {-code}"


async def _answers(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url, timeout=PROBE_TIMEOUT) as response:
            return response.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False
