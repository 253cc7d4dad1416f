"""What telemetry costs: commands through the whole loop, with it and without it, in the same run.

`make bench-telemetry` keeps two equal systems, each an API, a reactor, NATS and Postgres, and loads
them in turn, in short slices, so that both see the same machine; and does so several times, as
two equal processes differ by some percent in how they happen to lie in memory. One is as it comes,
with metrics that are scraped and traces sampled at 1 % and exported to a collector. In the other no
traces are asked for, and all metrics are replaced by objects that do nothing, which production
cannot do. Each of the clients has one command in flight, and waits for its outcome in the response.

With `--only nothing` both are off: what is printed then is the error of the measurement.

Beside the rate stands the CPU time that API and reactor took per command, exports and scrapes
included: it says the same, and hardly minds what else the machine does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import httpx
import psutil
import structlog

from support.collecting import Collector, collecting
from support.place import Place, fresh_place, running_servers
from support.running import Process
from support.waiting import until

PARTITIONS = 64
PROTOCOLS = ("http/protobuf", "grpc")
"""The first is the default of the processes and of the chart."""
SCRAPE_SECONDS = 15.0
EXPORT_SECONDS = 5.0
"""As the SDK does by itself."""
LOSS_MAX = 0.10
SILENCE = """
import homing.telemetry
from prometheus_client.metrics import MetricWrapperBase

class Nothing:
    def __getattr__(self, _name): return self
    def __call__(self, *_said, **_named): return self
    def __enter__(self): return self
    def __exit__(self, *_error): return None

nothing = Nothing()
for name, value in list(vars(homing.telemetry).items()):
    if isinstance(value, MetricWrapperBase):
        setattr(homing.telemetry, name, nothing)
"""


class Silent(Process):
    """A process whose metrics do nothing."""

    def command(self) -> list[str]:
        """The change first, then the process as it is."""
        code = f"{SILENCE}\nfrom homing_{self.kind}.main import main\nmain()"
        return [sys.executable, "-c", code]


class Connection:
    """A client that is as cheap as one can be: one connection, one command at a time."""

    def __init__(self, api: Process, cookie: str) -> None:
        self._api = api
        self._head = (
            "POST /api/commands/tally.add HTTP/1.1\r\nHost: bench\r\n"
            f"Content-Type: application/json\r\nPrefer: wait=20\r\nCookie: {cookie}\r\n"
        )
        self._tally = uuid4().hex
        self.seconds: list[float] = []

    async def run(self, until_: float) -> int:
        """Send until then (monotonic); how many came home."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._api.port)
        done = 0
        while (began := time.monotonic()) < until_:
            body = json.dumps({"tally_id": self._tally, "number": done})
            writer.write(f"{self._head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(head.decode())
            length = head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]
            await reader.readexactly(int(length))
            self.seconds.append(time.monotonic() - began)
            done += 1
        writer.close()
        return done


@dataclass
class Measured:
    """What was measured with telemetry, or without."""

    name: str
    rates: list[float] = field(default_factory=list)
    """Commands a second, by slice."""
    cpu_ms: list[float] = field(default_factory=list)
    """Per command, by round."""
    seconds: list[float] = field(default_factory=list)
    """Of each command."""

    def line(self) -> str:
        """All of it."""
        times = sorted(self.seconds)
        p50, p99 = (times[int(len(times) * part)] * 1000 for part in (0.5, 0.99))
        rate, cpu = statistics.median(self.rates), statistics.median(self.cpu_ms)
        return f"{self.name:<10} {rate:10.0f} {cpu:8.3f} {p50:8.1f} {p99:8.1f}"


class System:
    """An API and a reactor under load."""

    def __init__(self, processes: list[Process], connections: list[Connection]) -> None:
        self._processes, self._connections = processes, connections
        self._spent, self._done = 0.0, 0

    async def warm(self, seconds: float) -> None:
        """Pools, plans, code."""
        await self._load(seconds)
        self._spent, self._done = self._cpu_seconds(), 0
        for one in self._connections:
            one.seconds.clear()

    async def slice(self, seconds: float, measured: Measured) -> None:
        """Load it for so long."""
        measured.rates.append(await self._load(seconds))

    def count(self, measured: Measured) -> None:
        """What it took since it was warm."""
        measured.cpu_ms.append((self._cpu_seconds() - self._spent) * 1000 / self._done)
        measured.seconds += [one for each in self._connections for one in each.seconds]

    async def _load(self, seconds: float) -> float:
        began = time.monotonic()
        scraping = asyncio.create_task(self._scrape())
        done = sum(await asyncio.gather(*(one.run(began + seconds) for one in self._connections)))
        scraping.cancel()
        self._done += done
        return done / (time.monotonic() - began)

    def _cpu_seconds(self) -> float:
        times = [psutil.Process(one.pid).cpu_times() for one in self._processes]
        return sum(one.user + one.system for one in times)

    async def _scrape(self) -> None:
        async with httpx.AsyncClient() as client:
            while True:
                for one in self._processes:
                    await client.get(f"http://127.0.0.1:{one.internal}/metrics")
                await asyncio.sleep(SCRAPE_SECONDS)


@asynccontextmanager
async def system(
    kind: type[Process], clients: int, environ: dict[str, str]
) -> AsyncIterator[System]:
    """One of the two, with servers of its own."""
    async with running_servers() as servers, fresh_place(servers, PARTITIONS) as place:
        processes = [kind(one, place, **environ).start() for one in ("api", "reactor")]
        try:
            for process in processes:
                await process.ready()
            await _held(place)
            cookie = await _cookie(processes[0])
            connections = [Connection(processes[0], cookie) for _ in range(clients)]
            yield System(processes, connections)
        finally:
            for process in processes:
                await process.end()


async def _held(place: Place) -> None:
    async def held() -> bool:
        sql = "SELECT count(*) FROM homing.partitions WHERE holder IS NOT NULL"
        return (await place.rows(sql))[0][0] == PARTITIONS

    await until(held)


async def _cookie(api: Process) -> str:
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{api.url}/api/session")
        return "; ".join(f"{name}={value}" for name, value in answer.cookies.items())


def asked(collector: Collector, protocol: str, ratio: float) -> dict[str, str]:
    """Traces as they are meant to be run."""
    return {
        **collector.environ(protocol),
        "OTEL_BSP_SCHEDULE_DELAY": str(int(EXPORT_SECONDS * 1000)),
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": str(ratio),
    }


async def round_of(both: list[tuple[System, Measured]], slices: int, seconds: float) -> None:
    """Load two fresh systems in turn."""
    for one, _ in both:
        await one.warm(seconds)
    for number in range(slices):
        for one, measured in both if number % 2 else reversed(both):
            await one.slice(seconds, measured)
    await asyncio.sleep(EXPORT_SECONDS)  # the last one
    for one, measured in both:
        one.count(measured)


async def main() -> int:
    """Measure and print; 1 if it costs too much."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("clients", 64), ("rounds", 6), ("slices", 4)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each slice")
    parser.add_argument("--ratio", type=float, default=0.01, help="of the traces")
    parser.add_argument("--protocol", choices=PROTOCOLS, default=PROTOCOLS[0])
    parser.add_argument("--only", choices=("metrics", "traces", "nothing"), help="is on")
    options = parser.parse_args()
    quiet = structlog.make_filtering_bound_logger(logging.WARNING)
    structlog.configure(wrapper_class=quiet)
    off, on = Measured("off"), Measured("on")
    with collecting() as collector:
        kind = Silent if options.only in ("traces", "nothing") else Process
        traced = options.only in (None, "traces")
        environ = asked(collector, options.protocol, options.ratio) if traced else {}
        for _ in range(options.rounds):
            async with (
                system(Silent, options.clients, {}) as without,
                system(kind, options.clients, environ) as with_it,
            ):
                await round_of([(without, off), (with_it, on)], options.slices, options.seconds)
        print(f"{'telemetry':<10} {'commands/s':>10} {'CPU ms':>8} {'p50 ms':>8} {'p99 ms':>8}")
        print(off.line(), on.line(), f"{len(collector.spans)} spans exported", sep="\n")
    rates = [mine / theirs for mine, theirs in zip(on.rates, off.rates, strict=True)]
    ratio = statistics.median(rates)
    print(f"rate, on against off: {ratio:.3f} ({min(rates):.3f} to {max(rates):.3f} by slice)")
    cpu = [theirs / mine for mine, theirs in zip(on.cpu_ms, off.cpu_ms, strict=True)]
    spread = f"{min(cpu):.3f} to {max(cpu):.3f} by round"
    print(f"by CPU per command:   {statistics.median(cpu):.3f} ({spread})")
    print(f"at least {1 - LOSS_MAX:.2f} is asked for")
    return int(ratio < 1 - LOSS_MAX)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
