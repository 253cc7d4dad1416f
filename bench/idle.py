"""What it costs to hold partitions in which nothing happens: `make bench-idle`.

ARGS="--partitions 512 --seconds 60" says how many, and for how long.

Starts NATS, Postgres, two reactors and an API of its own, waits until all partitions are held, and
prints the CPU time of each over a while, in percent of one core.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from pathlib import Path

from support.place import Place, Servers, fresh_place, running_servers
from support.running import Process
from support.waiting import until

REACTORS = 2
TICKS = os.sysconf("SC_CLK_TCK")


def spent(pid: int) -> float:
    """Seconds of CPU that a process and its living children have used (proc(5), stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    own = (int(fields[11]) + int(fields[12])) / TICKS
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    return own + sum(spent(int(child)) for child in children)


async def held(place: Place) -> bool:
    """Whether both reactors hold their share."""
    rows = await place.rows(
        "SELECT count(*) FROM homing.partitions WHERE holder IS NOT NULL GROUP BY holder"
    )
    return len(rows) == REACTORS and sum(row[0] for row in rows) == place.partitions


async def measure(servers: Servers, partitions: int, seconds: float) -> dict[str, float]:
    """Percent of a core, by process."""
    async with fresh_place(servers, partitions=partitions) as place:
        processes = {f"reactor {n}": Process("reactor", place) for n in range(1, REACTORS + 1)}
        processes["api"] = Process("api", place)
        for process in processes.values():
            process.start()
        try:
            await asyncio.gather(*(process.ready() for process in processes.values()))
            await until(lambda: held(place), 120)
            await asyncio.sleep(5)  # what the claims cost is over by then
            pids = {name: process.pid for name, process in processes.items()}
            pids |= {"nats": servers.nats.pid, "postgres": servers.postgres.pid}
            before, started = {name: spent(pid) for name, pid in pids.items()}, time.monotonic()
            await asyncio.sleep(seconds)
            passed = time.monotonic() - started
            return {name: 100 * (spent(pid) - before[name]) / passed for name, pid in pids.items()}
        finally:
            for process in processes.values():
                await process.end()


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--partitions", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    async with running_servers() as servers:
        used = await measure(servers, options.partitions, options.seconds)
    print(f"{options.partitions} idle partitions, {REACTORS} reactors, {options.seconds:g} s")
    for name, percent in used.items():
        print(f"  {name:<10} {percent:5.2f} % of a core")


if __name__ == "__main__":
    asyncio.run(main())
