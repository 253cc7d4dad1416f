"""One started program: tethered to this process, stopped by a signal, then by force.

It gets a session of its own, so that Ctrl-C in the terminal reaches only us and the order of
stopping is ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import IO

from homing.local import tether
from homing.local.account import Account

LONGEST_LINE_BYTES = 1024 * 1024


class Program:
    """A child that dies with us."""

    def __init__(self, running: asyncio.subprocess.Process) -> None:
        self._running = running

    @property
    def pid(self) -> int:
        """The program's own, as it replaces its wrapper."""
        return self._running.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative is a signal's number."""
        return self._running.returncode

    @property
    def output(self) -> asyncio.StreamReader:
        """What it prints, if it was started with a pipe."""
        if self._running.stdout is None:
            raise ValueError("started without a pipe")
        return self._running.stdout

    async def wait(self) -> int:
        """Its exit code, once it ended."""
        return await self._running.wait()

    def send(self, signum: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        with contextlib.suppress(ProcessLookupError):
            self._running.send_signal(signum)

    async def stop(self, ask: signal.Signals, grace_seconds: float) -> bool:
        """Ask it to end; kill it after the grace. True if it went when asked."""
        self.send(ask)
        try:
            await asyncio.wait_for(self.wait(), grace_seconds)
        except TimeoutError:
            self.send(signal.SIGKILL)
            await self.wait()
            return False
        return True


async def start(
    argv: Sequence[object],
    *,
    parting: signal.Signals,
    output: int | IO[bytes],
    account: Account | None = None,
    environ: Mapping[str, str] | None = None,
) -> Program:
    """Start `argv`; it gets the signal `parting` when this process dies."""
    identity = (account.uid, account.gid) if account else (-1, -1)
    wrapper = [sys.executable, "-I", "-S", tether.__file__]
    facts = [int(parting), os.getpid(), *identity]
    running = await asyncio.create_subprocess_exec(
        *wrapper,
        *(str(fact) for fact in facts),
        *(str(word) for word in argv),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output,
        stderr=asyncio.subprocess.STDOUT,
        env=None if environ is None else dict(environ),
        start_new_session=True,
        limit=LONGEST_LINE_BYTES,
    )
    return Program(running)
