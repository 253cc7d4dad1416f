"""What is measured beside the clients: the memory of processes, and how late the clients are."""

from __future__ import annotations

import asyncio
import contextlib

import psutil

from torture.history import Lag, Log, Memory
from torture.stage import Stage

MEMORY_SECONDS = 5.0
LAG_SECONDS = 0.05


async def watch_lag(log: Log) -> None:
    """Write down whenever this process comes late; until cancelled."""
    clock = asyncio.get_running_loop().time
    while True:
        before = clock()
        await asyncio.sleep(LAG_SECONDS)
        late = clock() - before - LAG_SECONDS
        if late > LAG_SECONDS:
            log.write(Lag(t=log.now, seconds=round(late, 3)))


async def watch_memory(stage: Stage, log: Log) -> None:
    """Write down how much every process has, for ever."""
    while True:
        for member in stage.members:
            with contextlib.suppress(psutil.Error):
                if not member.ended:
                    mib = psutil.Process(member.pid).memory_info().rss / 2**20
                    log.write(
                        Memory(t=log.now, process=member.name, pid=member.pid, mib=round(mib, 2))
                    )
        log.flush()
        await asyncio.sleep(MEMORY_SECONDS)
