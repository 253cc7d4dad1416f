"""What telemetry costs: commands through the whole loop, with it and without it, in the same run.

`make bench-telemetry` keeps two equal systems, each an API, a reactor, NATS and Postgres, and loads
them in turn, in short slices, so that both see the same machine. One is as it comes, with metrics
that are scraped and traces sampled at 1 % and exported to a collector. In the other no traces are
asked for, and all metrics are replaced by objects that do nothing, which production cannot do.
Each of the clients has one command in flight, and waits for its outcome in the response.

With `--only nothing` both are off: what is printed then is the error of the measurement.

Beside the rate stands the CPU time that API and reactor took per command: it says the same, and
hardly minds what else the machine does.
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
from contextlib import AsyncExitStack, asynccontextmanager
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
SCRAPE_SECONDS = 5.0
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


class System:
    """An API and a reactor, and what was measured of them."""

    def __init__(self, name: str, processes: list[Process], connections: list[Connection]) -> None:
        self.name = name
        self.rates: list[float] = []
        self.cpu_ms: list[float] = []
        """Per command."""
        self._processes, self._connections = processes, connections

    async def slice(self, seconds: float) -> None:
        """Load it for so long."""
        began, spent = time.monotonic(), self._cpu_seconds()
        scraping = asyncio.create_task(self._scrape())
        done = sum(await asyncio.gather(*(one.run(began + seconds) for one in self._connections)))
        self.rates.append(done / (time.monotonic() - began))
        self.cpu_ms.append((self._cpu_seconds() - spent) * 1000 / done)
        scraping.cancel()

    def line(self) -> str:
        """What was measured."""
        times = sorted(one for each in self._connections for one in each.seconds)
        p50, p99 = (times[int(len(times) * part)] * 1000 for part in (0.5, 0.99))
        rate, cpu = statistics.median(self.rates), statistics.median(self.cpu_ms)
        return f"{self.name:<10} {rate:10.0f} {cpu:8.3f} {p50:8.1f} {p99:8.1f}"

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
    name: str, kind: type[Process], clients: int, environ: dict[str, str]
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
            yield System(name, processes, connections)
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
        "OTEL_BSP_SCHEDULE_DELAY": "5000",
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": str(ratio),
    }


async def main() -> int:
    """Measure and print; 1 if it costs too much."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("clients", 64), ("slices", 12)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each slice")
    parser.add_argument("--ratio", type=float, default=0.01, help="of the traces")
    parser.add_argument("--protocol", choices=PROTOCOLS, default=PROTOCOLS[0])
    parser.add_argument("--only", choices=("metrics", "traces", "nothing"), help="is on")
    options = parser.parse_args()
    quiet = structlog.make_filtering_bound_logger(logging.WARNING)
    structlog.configure(wrapper_class=quiet)
    async with AsyncExitStack() as stack:
        collector = stack.enter_context(collecting())
        off = await stack.enter_async_context(system("off", Silent, options.clients, {}))
        kind = Silent if options.only in ("traces", "nothing") else Process
        traced = options.only in (None, "traces")
        environ = asked(collector, options.protocol, options.ratio) if traced else {}
        on = await stack.enter_async_context(system("on", kind, options.clients, environ))
        for one in (off, on):  # warm: pools, plans, code
            await one.slice(options.seconds)
            one.rates.clear()
            one.cpu_ms.clear()
        for number in range(options.slices):
            for one in (off, on) if number % 2 else (on, off):
                await one.slice(options.seconds)
        await asyncio.sleep(6)  # the last export
        print(f"{'telemetry':<10} {'commands/s':>10} {'CPU ms':>8} {'p50 ms':>8} {'p99 ms':>8}")
        print(off.line(), on.line(), f"{len(collector.spans)} spans exported", sep="\n")
    rates = [mine / theirs for mine, theirs in zip(on.rates, off.rates, strict=True)]
    ratio = statistics.median(rates)
    print(f"rate, on against off: {ratio:.3f} ({min(rates):.3f} to {max(rates):.3f} by slice)")
    cpu = statistics.median(off.cpu_ms) / statistics.median(on.cpu_ms)
    print(f"by CPU per command:   {cpu:.3f}; at least {1 - LOSS_MAX:.2f} is asked for")
    return int(ratio < 1 - LOSS_MAX)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
