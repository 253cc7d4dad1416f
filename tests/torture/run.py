"""One run, from an empty folder to a history: start, send and torment, heal, settle, ask, read."""

from __future__ import annotations

import asyncio
import itertools
import resource
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiohttp

from torture import planning
from torture.asking import ask, read
from torture.clients import Clients, new_owners
from torture.faults import Tormentor
from torture.history import Begun, Fault, Log, Phase
from torture.options import Options
from torture.reaching import Reaching
from torture.republishing import Republisher, republishing
from torture.stage import Member, Stage
from torture.watching import watch_lag, watch_memory

WATCHED_FROM_SECONDS = 180.0
"""A run of this length spares one API and one reactor, so that their memory can be watched."""
FAULTS_MAX = 100_000
Say = Callable[[str], None]


async def run(options: Options, folder: Path, say: Say) -> None:
    """Make the history of a run in `folder`.

    Raises `NotStarted` or a `HomingError` if it could not begin.
    """
    stage = Stage(options, folder)
    try:
        await stage.start()
        say(f"{options.apis} APIs and {options.reactors} reactors run; sending")
        with closing(Log(folder / "history.jsonl")) as log:
            async with _talking(options, stage) as reaching, republishing(stage.nats.url) as again:
                await _play(options, stage, log, reaching, again, say)
    finally:
        await stage.stop()


@asynccontextmanager
async def _talking(options: Options, stage: Stage) -> AsyncIterator[Reaching]:
    connector = aiohttp.TCPConnector(limit=0)
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(connector=connector, cookie_jar=jar) as session:
        yield Reaching(session, lambda: [api.url for api in stage.apis], options.seed)


async def _play(
    options: Options, stage: Stage, log: Log, reaching: Reaching, again: Republisher, say: Say
) -> None:
    owners = await new_owners(reaching, options.owners)
    commands = planning.Commands(options.seed, options.keys)
    clients = Clients(reaching, again, log, owners, commands, options.seed)
    clients.repeat_share, clients.window = options.repeat_share, options.window_seconds
    spare = _spared(options, stage)
    tormentor = Tormentor(stage, log, _faults(options), lambda fault: say(line(fault)), spare)
    async with _beside(
        tormentor.watch(),
        watch_memory(stage, log),
        watch_lag(log),
        *(ear.listen() for ear in clients.ears),
    ):
        await _until_open(clients)
        log.write(Begun(t=log.now, lease=options.lease))
        log.write(Phase(t=log.now, name="send"))
        async with asyncio.TaskGroup() as group:
            group.create_task(tormentor.run(options.duration))
            await clients.send(options.rate, options.duration)
            log.write(Phase(t=log.now, name="sent"))
        used = resource.getrusage(resource.RUSAGE_SELF)
        share = (used.ru_utime + used.ru_stime) / log.now
        log.write(Phase(t=log.now, name="settle", note=f"{share:.0%} of a core"))
        say(f"{log.now:8.1f}  everything is healed; {len(clients.untold)} are still to be told")
        await clients.settle(options.settle)
        log.write(Phase(t=log.now, name="ask"))
        await ask(reaching, log, clients)
        log.write(Phase(t=log.now, name="read"))
        await read(reaching, log)
        stored = await stage.stored()
        log.write(Phase(t=log.now, name="end", note=f"{stored} messages in the stream"))


def _faults(options: Options) -> list[planning.PlannedFault]:
    kinds = options.fault_kinds
    if not kinds:
        return []
    count = min(FAULTS_MAX, int(options.duration / options.pace * 20) + len(kinds))
    return list(itertools.islice(planning.faults(options.seed, kinds, options.pace), count))


def _spared(options: Options, stage: Stage) -> list[Member]:
    if options.duration < WATCHED_FROM_SECONDS:
        return []
    return [stage.apis[0], stage.reactors[0]]


def line(fault: Fault) -> str:
    """A fault, as it is told while the run goes on."""
    return f"{fault.t:8.1f}  {fault.kind:<14} {fault.whom:<11} {fault.note}".rstrip()


@asynccontextmanager
async def _beside(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run these beside the block, and end them with it; if one of them fails, so does the block."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work) for work in works]
        yield
        for task in tasks:
            task.cancel()


async def _until_open(clients: Clients) -> None:
    """Every owner's stream has said where it stands."""
    async with asyncio.timeout(30):
        while not all(ear.cursor for ear in clients.ears):  # noqa: ASYNC110 - seven of others
            await asyncio.sleep(0.05)
